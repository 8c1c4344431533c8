// The tide page: the past first, then whatever the control plane sends.

import { element, keep, setText } from "./elements.js";
import { Events } from "./events.js";
import { History } from "./history.js";
import { Link } from "./link.js";
import { Pools } from "./pools.js";
import { Reasons } from "./reasons.js";
import { Services } from "./services.js";
import { Shares } from "./shares.js";
import { Why } from "./why.js";
import { count, money } from "./words.js";

const byId = (id) => document.getElementById(id);
const TEAM_COLOURS = 6;
const MOST_TEAMS_NAMED = 12;
const teams = [];

function teamColour(team) {
  const place = teams.indexOf(team);
  return place < 0 ? "var(--team-none)" : `var(--team-${place % TEAM_COLOURS})`;
}

const history = new History();
const events = new Events(byId("events"));
const why = new Why(byId("why"), (service) => events.about(service));
const services = new Services(byId("services"), history, { teamColour, openWhy: (id) => why.open(id) });
const pools = new Pools(byId("pools"), { teamColour });
const shares = new Shares({ teams: byId("shares"), limits: byId("limits"), about: byId("shares-about") }, { teamColour });
const reasons = new Reasons(byId("reasons"), { openWhy: (id) => why.open(id) });

for (const choice of document.querySelectorAll("input[name=window]")) {
  choice.addEventListener("change", () => {
    services.seconds = Number(choice.value);
    services.draw();
  });
}

// What was sampled while this page wasn't listening; needed once after each silence.
let isCaughtUp = false;
const SILENCE_MS = 1500;
let heardAt = 0;

async function catchUp() {
  const since = history.last ? `?since=${encodeURIComponent(history.last.at)}` : "";
  const response = await fetch(`/api/v1/samples${since}`);
  if (response.ok) for (const sample of await response.json()) history.add(sample);
}

// Each message has the fields of the status that have changed; the first after a break has all.
const status = {};

async function onTide({ status: news, sample }) {
  Object.assign(status, news);
  if (Date.now() - heardAt > SILENCE_MS) isCaughtUp = false;
  heardAt = Date.now();
  if (!isCaughtUp) {
    isCaughtUp = true;
    await catchUp().catch(() => (isCaughtUp = false));
  }
  if (sample) history.add(sample);
  showTeams(status.teams);
  showFigures(status);
  services.show(status.services);
  services.draw();
  if (news.shares) shares.show(status.shares);
  if (news.services || news.notices) reasons.show(status);
  pools.show(status);
}

function showTeams(list) {
  teams.splice(0, teams.length, ...list.map((team) => team.name));
  byId("teams").hidden = list.length > MOST_TEAMS_NAMED;  // the shares above name them all
  keep(byId("teams"), list, (team) => team.name,
    (team) => element("li", {}, element("span", { class: "swatch" }), team.name),
    (item, team) => (item.firstChild.style.background = teamColour(team.name)));
}

function showFigures(status) {
  const sum = (name) => status.services.reduce((total, service) => total + (service[name] ?? 0), 0);
  setText(byId("figure-ready"), `${count(sum("ready"))} / ${count(sum("wanted"))}`);
  setText(byId("figure-rate"), count(sum("rate")));
  setText(byId("figure-rented"), count(status.rented_nodes));
  setText(byId("figure-spend"), money(status.spend_micros, status.currency));
}

function onState(isLive) {
  const state = isLive ? "live" : "broken";
  if (byId("link").dataset.state === state) return;
  byId("link").dataset.state = state;
  setText(byId("link-text"), isLive ? "Live" : "Trying again");
  byId("banner").hidden = isLive;
  setText(byId("banner"), isLive ? "" : "The control plane doesn't answer; this page tries again by itself. What runs keeps running.");
  document.body.classList.toggle("is-stale", !isLive);
}

new Link({ onTide, onState, onEvent: (event) => events.add(event), onLost: (sentence) => events.say(sentence) });
