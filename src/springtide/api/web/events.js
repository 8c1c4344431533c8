// The latest events as sentences, newest first.

import { element } from "./elements.js";
import { timeOfDay } from "./words.js";

const SHOWN = 150;
const KINDS = [
  ["bad", /crash|fail|full|unready|unhealthy|missing|lost|refus|spent|never|no-node|error|out-of-stock/],
  ["cloud", /rent|cloud|boot|return|charge/],
  ["borrowed", /reclaim|evict|guest|drain|gives-way|fair-share|notice|limit/],
  ["own", /home/],
];

export class Events {
  constructor(parent) {
    this.parent = parent;
    this.latest = [];
  }

  // The latest events that speak of a service, newest first.
  about(service) {
    return this.latest.filter((event) => event.subject === service);
  }

  add(event) {
    const kind = KINDS.find(([, codes]) => codes.test(event.code))?.[0] ?? "plain";
    this.latest = [event, ...this.latest.slice(0, SHOWN - 1)];
    this.put(kind, event.at, event.subject, event.sentence);
  }

  say(sentence) {
    this.put("bad", new Date(), "this page", sentence);
  }

  put(kind, at, subject, sentence) {
    const starts = sentence.startsWith(subject);
    this.parent.prepend(
      element("li", { class: kind },
        element("time", { datetime: new Date(at).toISOString() }, timeOfDay(at)),
        element("p", {}, starts ? "" : element("b", {}, `${subject} `), sentence)),
    );
    while (this.parent.children.length > SHOWN) this.parent.lastElementChild.remove();
  }
}
