// The line to the control plane: live while the page is looked at, tried again when it breaks.

const SILENCE_MS = 4000;
const PAUSE_MS = 1000;

export class Link {
  // onTide(message), onEvent(event), onLost(sentence), onState(isLive); events arrive once each.
  constructor(handlers) {
    this.handlers = handlers;
    this.sources = [];
    this.seen = new Set();
    this.retry = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    if (!document.hidden) this.open();
  }

  open() {
    this.close();
    const tide = new EventSource("/api/v1/stream");
    const events = new EventSource("/api/v1/events/stream?last=150");
    this.sources = [tide, events];
    tide.addEventListener("tide", (message) => {
      this.watch();
      this.handlers.onState(true);
      this.handlers.onTide(JSON.parse(message.data));
    });
    events.addEventListener("event", (message) => this.take(JSON.parse(message.data)));
    events.addEventListener("lost", (message) => this.handlers.onLost(message.data));
    for (const source of this.sources) source.onerror = () => this.again();
    this.watch();
  }

  // A control plane that is stopped or stuck sends nothing and breaks nothing: silence counts as broken too.
  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.again(), SILENCE_MS);
  }

  again() {
    this.close();
    this.handlers.onState(false);
    this.retry = setTimeout(() => this.open(), PAUSE_MS);
  }

  close() {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    for (const source of this.sources) source.close();
    this.sources = [];
  }

  take(event) {
    const key = `${event.at} ${event.id}`;
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.handlers.onEvent(event);
  }
}
