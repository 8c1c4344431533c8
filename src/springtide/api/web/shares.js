// A gauge a team: its part of what teams lend one another, beside its fair part; below, every limit with its use.

import { element, keep, setText } from "./elements.js";
import { amount, amounts, kindName, percent } from "./words.js";

const LIMITS = { nominal: "own", lending_limit: "lends", borrowing_limit: "borrows" };

export class Shares {
  constructor({ teams, limits, about }, { teamColour }) {
    Object.assign(this, { teams, limits, about, teamColour });
  }

  show(shares) {
    const cohorts = new Map(shares.cohorts.map((each) => [each.cohort, each]));
    setText(this.about, shares.cohorts.length === 1 ? `of ${amounts(shares.cohorts[0].capacity)} that teams lend one another` : "");
    const several = shares.cohorts.length > 1;
    const rows = shares.cohorts.flatMap(({ cohort }) => [
      ...(several ? [{ team: `cohort ${cohort}`, heading: cohort ? `Cohort ${cohort}` : "Without a cohort", cohort }] : []),
      ...shares.teams.filter((each) => each.cohort === cohort),
    ]);
    keep(this.teams, rows, (row) => (row.heading ? `heading ${row.cohort}` : row.team),
      (row) => (row.heading ? element("li", { class: "cohort" }) : this.make()),
      (item, row) => (row.heading ? setText(item, this.heading(row, cohorts)) : this.update(item, row, cohorts)));
    this.showLimits(shares);
  }

  heading({ heading, cohort }, cohorts) {
    return `${heading}: ${amounts(cohorts.get(cohort).capacity)} to lend`;
  }

  make() {
    return element("li", { class: "share" },
      element("p", { class: "share-head" }, element("span", { class: "team" }), element("b", { class: "share-team" }), element("span", { class: "share-part" })),
      element("div", { class: "gauge", role: "img" }, element("i", { class: "within" }), element("i", { class: "above" }), element("i", { class: "fair" })),
      element("p", { class: "share-own" }));
  }

  update(item, share, cohorts) {
    item.querySelector(".team").style.background = this.teamColour(share.team);
    setText(item.querySelector(".share-team"), share.team);
    const dominant = share.dominant ? `${percent(share.part)} of ${kindName(share.dominant)}` : "nothing";
    setText(item.querySelector(".share-part"), dominant);
    // Every gauge ends at twice the fair part, so that fair is in the middle of all, whatever the weight.
    const part = Math.min(1, share.part / share.fair_part / 2);
    const within = Math.min(part, 0.5);
    item.querySelector(".within").style.width = `${100 * within}%`;
    item.querySelector(".above").style.width = `${100 * (part - within)}%`;
    const words = this.own(share);
    setText(item.querySelector(".share-own"), words);
    const fair = `fair: ${percent(share.fair_part)}, by weight ${share.weight}`;
    const beyond = `${share.team} uses ${amounts(share.beyond_own)} beyond its own, ${dominant} (${fair})`;
    const label = `${beyond}; ${words}. To lend: ${amounts(cohorts.get(share.cohort)?.capacity ?? {})}`;
    item.querySelector(".gauge").setAttribute("aria-label", label);
    if (item.title !== label) item.title = label;
  }

  // One kind stands for all: the dominant one, else cpu, else whatever there is. The tooltip has the rest.
  own(share) {
    const kinds = [share.dominant, "cpu_millis", ...Object.keys(share.own)];
    const kind = kinds.find((each) => each && share.own[each]);
    if (!kind) return "owns nothing";
    const lent = share.lent[kind] ? `, lends ${amount(kind, share.lent[kind])}` : "";
    const [used] = amount(kind, share.own_used[kind] ?? 0).split(" ");
    return `own: ${used} of ${amount(kind, share.own[kind])}${lent}`;
  }

  showLimits({ departments, teams }) {
    const of = (name, list) => list.flatMap((each) => each.limits.map((limit) => ({ ...limit, level: name, whose: each[name] })));
    const limits = [...of("department", departments), ...of("team", teams)];
    this.limits.hidden = limits.length === 0;
    keep(this.limits, limits, (each) => `${each.level} ${each.whose} ${each.limit} ${each.kind}`,
      () => element("li", { class: "limit" }, element("p", {}), element("div", { class: "gauge", "aria-hidden": "true" }, element("i", { class: "within" }))),
      (item, each) => {
        const [used] = amount(each.kind, each.used).split(" ");
        const words = `${each.whose} ${LIMITS[each.limit]} ${used} of ${amount(each.kind, each.most)}`;
        setText(item.firstChild, words);
        const title = `${each.level} ${words} at most`;
        if (item.title !== title) item.title = title;
        item.classList.toggle("is-full", each.used >= each.most);
        item.querySelector(".within").style.width = `${each.most ? Math.min(100, (100 * each.used) / each.most) : 100}%`;
      });
  }
}
