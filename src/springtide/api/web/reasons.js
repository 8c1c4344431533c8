// Who waits for what, and who must leave for whom: in the planner's own sentences.

import { element, keep, setText } from "./elements.js";
import { count, timeOfDay } from "./words.js";

const MOST_SENTENCES = 3;
const MOST_SHOWN = 60;

export class Reasons {
  constructor(parent, { openWhy }) {
    Object.assign(this, { parent, openWhy });
  }

  show({ services, notices }) {
    const waiting = services.filter((each) => each.missing + each.waiting > 0).map((each) => this.waits(each));
    const all = [...waiting, ...notices.map((each) => this.leaves(each))];
    const shown = all.slice(0, MOST_SHOWN);
    if (all.length > MOST_SHOWN) shown.push({ key: "more", kind: "plain", head: `And ${count(all.length - MOST_SHOWN)} more.`, lines: [] });
    keep(this.parent, shown, (each) => each.key, (each) => this.make(each), (item, each) => this.update(item, each));
  }

  waits(service) {
    const parts = [];
    if (service.missing) parts.push(`${count(service.missing)} without a place`);
    if (service.waiting) parts.push(`${count(service.waiting)} waiting for one that is promised`);
    const sentences = service.refusals.map((each) => each.sentence);
    const more = sentences.length > MOST_SENTENCES ? [`And ${sentences.length - MOST_SENTENCES} more reasons.`] : [];
    const lines = [...sentences.slice(0, MOST_SENTENCES), ...more];
    return { key: `waits ${service.id}`, kind: service.missing ? "bad" : "wait", service: service.id, head: parts.join(", "), lines };
  }

  leaves(notice) {
    const when = notice.gone_by ? ` Gone by ${timeOfDay(notice.gone_by)}.` : "";
    return { key: `leaves ${notice.instance}`, kind: "borrowed", service: null, head: `${notice.sentence}${when}`, lines: [] };
  }

  make({ service }) {
    const ask = service ? element("button", { class: "name", "aria-haspopup": "dialog", onclick: () => this.openWhy(service) }, element("b", {}, service)) : "";
    return element("li", {}, element("p", {}, ask, element("span", { class: "reason-head" })), element("ul", { class: "reason-lines" }));
  }

  update(item, { kind, service, head, lines }) {
    if (item.className !== kind) item.className = kind;
    setText(item.querySelector(".reason-head"), service ? `: ${head}.` : head);
    keep(item.querySelector(".reason-lines"), lines.map((line, place) => ({ line, place })), ({ place }) => `${place}`,
      () => element("li"), (row, { line }) => setText(row, line));
  }
}
