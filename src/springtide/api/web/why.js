// Why a service stands as it does, in sentences; kept fresh while it is open.

import { element } from "./elements.js";
import { kindName, percent, timeOfDay } from "./words.js";

const AGAIN_MS = 2000;
const MOST_DECISIONS = 5;

export class Why {
  // decisionsOn(service): the latest events that speak of it, newest first.
  constructor(dialog, decisionsOn) {
    Object.assign(this, { dialog, decisionsOn });
    this.title = dialog.querySelector("#why-title");
    this.body = dialog.querySelector("#why-body");
    dialog.addEventListener("close", () => clearTimeout(this.timer));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  async open(service) {
    this.service = service;
    this.title.textContent = `Why ${service}`;
    this.body.replaceChildren(element("p", { class: "soft" }, "Asking the control plane …"));
    this.shown = "";
    this.dialog.showModal();
    await this.refresh(service);
  }

  async refresh(service) {
    clearTimeout(this.timer);
    const text = await ask(`/api/v1/why/${service.split("/").map(encodeURIComponent).join("/")}`);
    if (!this.dialog.open || this.service !== service) return;
    const decisions = this.decisionsOn(service).slice(0, MOST_DECISIONS);
    const shown = `${text} ${decisions.map((each) => each.id)}`;
    if (shown !== this.shown) this.body.replaceChildren(...paragraphs(JSON.parse(text), decisions));
    this.shown = shown;
    this.timer = setTimeout(() => this.refresh(service), AGAIN_MS);
  }
}

async function ask(path, attempts = 3) {
  try {
    return await (await fetch(path)).text();
  } catch {
    if (attempts > 1) {
      await new Promise((resume) => setTimeout(resume, 300));
      return ask(path, attempts - 1);
    }
    return JSON.stringify({ sentence: "The control plane doesn't answer.", remedy: "This asks again by itself." });
  }
}

function paragraphs(why, decisions) {
  if (!why.demand) return [element("p", { class: "lead" }, why.sentence), element("p", {}, why.remedy ?? "")];
  return [
    element("p", { class: "lead" }, why.sentence),
    ...part("Why that many", [why.demand.sentence]),
    ...part("Where they are", why.holdings.map(holding), "Nowhere yet."),
    ...part("What stands in the way of more", why.refusals.map((each) => each.sentence),
      why.missing + why.waiting ? "It waits for the next plan." : "Nothing: it has what it wants."),
    ...part("On which terms", terms(why)),
    ...part("Last decided", decisions.map((each) => `${timeOfDay(each.at)}: ${each.sentence}`)),
    ...part("Not ready yet", why.not_ready.map(unready)),
    ...part("Leaving", why.leaving.map(leaving)),
    ...part("Failures", why.crashes ? [`${why.crashes.count} in a row; the last: ${why.crashes.detail}`] : []),
  ];
}

function terms(why) {
  const { band, available, share, held, placement } = why;
  const lines = [`Band ${band}; at least ${available} stay available while guests are moved.`];
  const rules = [
    ...placement.constraints,
    ...placement.spread.map((label) => `spread over ${label}`),
    ...(placement.max_per_node ? [`at most ${placement.max_per_node} a node`] : []),
    ...placement.near.map((other) => `near ${other}`),
    ...placement.apart.map((other) => `apart from ${other}`),
  ];
  if (rules.length) lines.push(`Placed: ${rules.join("; ")}.`);
  if (share) {
    const use = share.dominant ? `${percent(share.part)} of the ${kindName(share.dominant)}` : "nothing of what";
    lines.push(`Team ${share.team} uses ${use}${share.dominant ? " that" : ""} teams lend one another; its fair part is ${percent(share.fair_part)}.`);
  }
  if (held) lines.push(`Only owners may move ${held.count} of its guests before ${timeOfDay(held.until)}.`);
  return lines;
}

function leaving(instance) {
  const why = instance.eviction?.sentence ?? `it is ${instance.state}, since it isn't needed.`;
  const goneBy = instance.gone_by ?? instance.eviction?.gone_by;
  return `${instance.id}: ${why}${goneBy ? ` Gone by ${timeOfDay(goneBy)}.` : ""}`;
}

function part(title, sentences, none = null) {
  const lines = sentences.length ? sentences : none ? [none] : [];
  if (!lines.length) return [];
  return [element("h3", {}, title), element("ul", {}, ...lines.map((line) => (line instanceof Node ? line : element("li", {}, line))))];
}

function holding({ count, rung, pool }) {
  return element("li", {}, element("span", { class: `swatch ${rung}` }), ` ${count} ${rung}, on pool ${pool}`);
}

function unready(instance) {
  const failure = instance.failures.at(-1);
  const more = failure ? ` Last failure: ${failure.sentence}` : "";
  return `${instance.id} on ${instance.node}: ${instance.readiness}, ${instance.detail || "not probed yet"}.${more}`;
}
