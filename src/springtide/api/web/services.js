// A card a service: how many of how many, the charts, what came of its requests, and the way to why.

import { ServiceCharts } from "./charts.js";
import { element, keep, setText } from "./elements.js";
import { RUNGS } from "./history.js";
import { count, milliseconds, orDash } from "./words.js";

export class Services {
  constructor(parent, history, { teamColour, openWhy }) {
    Object.assign(this, { parent, history, teamColour, openWhy });
    this.charts = new Map();
    this.seconds = 120;
    // Colours are read when a chart is built.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const charts of this.charts.values()) charts.build();
    });
  }

  show(services) {
    keep(this.parent, services, (each) => each.id, (each) => this.make(each), (card, each) => this.update(card, each));
    const present = new Set(services.map((each) => each.id));
    for (const id of this.charts.keys()) if (!present.has(id)) this.charts.delete(id);
    this.parent.classList.toggle("is-empty", services.length === 0);
  }

  draw() {
    const end = this.history.last?.second ?? Date.now() / 1000;
    const span = [end - this.seconds, end];
    for (const [id, charts] of this.charts) charts.show(this.history.columns(id, span[0] - 2), span);
  }

  make(service) {
    const plot = element("div", { class: "plot", role: "img" });
    const card = element("article", { class: "card service", "aria-label": service.id },
      element("header", {},
        element("h3", {}, element("button", { class: "name", "aria-haspopup": "dialog", onclick: () => this.openWhy(service.id) },
          element("span", { class: "team" }), service.id, element("span", { class: "ask" }, "why?"))),
        element("p", { class: "ready" }, element("b", { class: "ready-count" }), " ready of ", element("b", { class: "wanted-count" }), " wanted"),
      ),
      element("div", { class: "below" }, element("p", { class: "readout" }), element("p", { class: "address" })),
      plot,
      element("dl", { class: "numbers" },
        ...["Requests", "Shed", "Failed", "Half under", "95% under"].map((name) =>
          element("div", {}, element("dt", {}, name), element("dd", { "data-figure": name }, "–")))),
    );
    this.charts.set(service.id, new ServiceCharts(plot, service.id, (index) => this.point(card, service.id, index)));
    return card;
  }

  update(card, service) {
    card.service = service;
    card.querySelector(".team").style.background = this.teamColour(service.team);
    setText(card.querySelector(".ready-count"), count(service.ready));
    setText(card.querySelector(".wanted-count"), count(service.wanted));
    card.classList.toggle("is-short", service.ready < service.wanted);
    const figures = {
      Requests: count(service.requests), Shed: count(service.shed), Failed: count(service.failed),
      "Half under": orDash(service.p50_ms, milliseconds), "95% under": orDash(service.p95_ms, milliseconds),
    };
    for (const [name, text] of Object.entries(figures)) {
      const figure = card.querySelector(`[data-figure="${name}"]`);
      setText(figure, text);
      figure.classList.toggle("is-bad", (name === "Failed" && service.failed > 0) || (name === "Shed" && service.shed > 0));
    }
    this.address(card, service);
    const label = `${service.id}: ${this.words(service)}`;
    card.querySelector(".plot").setAttribute("aria-label", label);
    if (card.pointed == null) setText(card.querySelector(".readout"), this.words(service));
  }

  address(card, service) {
    const place = card.querySelector(".address");
    if (place.dataset.url === (service.url ?? "")) return;
    place.dataset.url = service.url ?? "";
    place.replaceChildren(service.url ? element("a", { href: service.url }, service.url.replace("http://", "")) : "no route from outside");
  }

  words(each) {
    const rungs = RUNGS.filter((rung) => each.rungs[rung]).map((rung) => `${each.rungs[rung]} ${rung}`);
    const load = each.rate == null ? "" : `; ${count(each.rate)} requests a second`;
    const room = each.capacity == null || !load ? "" : ` of ${count(each.capacity)}`;
    return `${rungs.join(", ") || "no instance"}${load}${room}`;
  }

  // Under the pointer: that moment's figures in the place of the present ones.
  point(card, id, index) {
    const charts = this.charts.get(id);
    card.pointed = index;
    const readout = card.querySelector(".readout");
    readout.classList.toggle("is-past", index != null);
    if (index == null || !charts || charts.columns[5][index] == null) {
      if (card.service) setText(readout, this.words(card.service));
      return;
    }
    const [times, own, shared, borrowed, cloud, , rate, capacity] = charts.columns.map((column) => column[index]);
    const rungs = { own, shared: shared - own, borrowed: borrowed - shared, cloud: cloud - borrowed };
    const when = new Date(times * 1000).toLocaleTimeString("en-GB");
    setText(readout, `${when}: ${this.words({ rungs, rate, capacity })}`);
  }
}
