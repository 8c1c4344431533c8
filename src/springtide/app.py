"""Settings and wiring: which store, engine, clouds and router the control plane runs on."""
