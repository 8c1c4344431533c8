// The line to the control plane: live while the page is looked at, tried again when it breaks.
// Browsers drop every connection when an interface of the machine comes or goes, which is what containers
// do all the time: a break that heals at once isn't worth a word.

const SILENCE_MS = 4000;
const FIRST_PAUSE_MS = 150;
const PAUSE_MS = 1000;
const PATIENCE_MS = 1500;

export class Link {
  // onTide(message), onEvent(event), onLost(sentence), onState(isLive); events arrive once each.
  constructor(handlers) {
    this.handlers = handlers;
    this.sources = [];
    this.seen = new Set();
    this.isLive = false;
    this.complaint = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    this.open();
  }

  open() {
    this.close();
    const tide = new EventSource("/api/v1/stream");
    const events = new EventSource("/api/v1/events/stream?last=150");
    this.sources = [tide, events];
    tide.addEventListener("tide", (message) => {
      this.watch();
      this.live();
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
    this.retry = setTimeout(() => this.open(), this.isLive ? FIRST_PAUSE_MS : PAUSE_MS);
    this.complaint ??= setTimeout(() => this.handlers.onState(false), PATIENCE_MS);
    this.isLive = false;
  }

  live() {
    clearTimeout(this.complaint);
    this.complaint = null;
    this.isLive = true;
    this.handlers.onState(true);
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
