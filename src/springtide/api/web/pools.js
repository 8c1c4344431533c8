// Pools, their nodes as boxes, and the instances on them as tiles; free room shows as empty tiles.

import { element, keep, setText } from "./elements.js";
import { amounts, count, money, seconds } from "./words.js";

const MOST_SLOTS = 24;
const MOST_PLACES = 12;

export class Pools {
  constructor(parent, { teamColour }) {
    Object.assign(this, { parent, teamColour });
  }

  show(status) {
    this.now = Date.parse(status.at);
    this.currency = status.currency;
    const sizes = status.services.map((service) => service.resources.cpu_millis ?? 0).filter((size) => size > 0);
    this.slotMillis = sizes.length ? Math.min(...sizes) : 0;
    keep(this.parent, status.pools, (pool) => pool.name, () => this.make(), (card, pool) => this.update(card, pool));
  }

  make() {
    return element("article", { class: "card pool" },
      element("header", {}, element("h3"), element("p", { class: "terms" })),
      element("ul", { class: "nodes" }));
  }

  update(card, pool) {
    card.setAttribute("aria-label", `Pool ${pool.name}`);
    card.classList.toggle("elastic", pool.is_elastic);
    const title = card.querySelector("h3");
    if (!title.firstChild) title.append(element("span", { class: "team" }), element("span", { class: "pool-name" }));
    title.querySelector(".team").style.background = pool.is_elastic ? "var(--cloud)" : this.teamColour(pool.team);
    setText(title.querySelector(".pool-name"), pool.name);
    setText(card.querySelector(".terms"), this.terms(pool));
    // Places for machines not rented yet: the page doesn't jump when one comes.
    const vacant = pool.is_elastic ? Math.max(0, Math.min(pool.max_nodes, MOST_PLACES) - pool.nodes.length) : 0;
    const places = Array.from({ length: vacant }, (_, i) => ({ id: `place ${i}`, vacant: true }));
    keep(card.querySelector(".nodes"), [...pool.nodes, ...places], (node) => node.id,
      (node) => this.makeNode(node), (box, node) => node.vacant || this.updateNode(box, node));
  }

  terms(pool) {
    const used = pool.used.cpu_millis ?? 0;
    const all = pool.allocatable.cpu_millis ?? 0;
    const use = all ? `${count(used)} of ${count(all)}m cpu used` : "";
    if (pool.is_elastic) {
      const rented = `${pool.nodes.length} of at most ${pool.max_nodes} nodes rented from ${pool.cloud}`;
      return use ? `${rented}; ${use}` : rented;
    }
    const lends = pool.lending_limit === null ? "lends what is idle" : `lends ${amounts(pick(pool.lending_limit))}`;
    const terms = pool.team ? `shares ${pool.contribution_percent}%, ${lends}` : "shared by all";
    return `${terms}; ${use}`;
  }

  makeNode(node) {
    if (node.vacant) return element("li", { class: "node vacant", "aria-hidden": "true" });
    return element("li", { class: "node" },
      element("div", { class: "node-head" }, element("span", { class: "node-name" }), element("span", { class: "node-note" })),
      element("div", { class: "tiles" }),
      element("div", { class: "meter", "aria-hidden": "true" }, element("i")));
  }

  updateNode(box, node) {
    box.dataset.state = node.state;
    setText(box.querySelector(".node-name"), node.id);
    box.title = `${node.id}: ${amounts(node.allocatable)}${this.price(node)}`;
    setText(box.querySelector(".node-note"), this.note(node));
    const names = node.instances.map((each) => each.id).join(", ") || "nothing";
    box.setAttribute("aria-label", `Node ${node.id}, ${node.state}: ${names}`);
    const all = node.allocatable.cpu_millis ?? 0;
    const used = node.used.cpu_millis ?? 0;
    const share = node.state === "booting" ? this.booted(node) : all ? used / all : 0;
    box.querySelector(".meter i").style.width = `${Math.round(100 * Math.min(1, share))}%`;
    const free = this.slotMillis && node.state === "ready" ? Math.floor((all - used) / this.slotMillis) : 0;
    const room = Math.max(0, Math.min(free, MOST_SLOTS - node.instances.length));
    const slots = Array.from({ length: room }, (_, i) => ({ id: `free ${i}`, free: true }));
    keep(box.querySelector(".tiles"), [...node.instances, ...slots], (tile) => tile.id,
      (tile) => element("span", { class: tile.free ? "tile free" : "tile", "aria-hidden": "true" }),
      (mark, tile) => tile.free || this.updateTile(mark, tile));
  }

  price(node) {
    if (!node.rental) return "";
    const period = seconds(node.rental.billing_period_seconds);
    return `; ${money(node.rental.price_micros_per_period, this.currency)} for each ${period}`;
  }

  booted(node) {
    return Math.max(0, (this.now - Date.parse(node.rental.requested_at)) / 1000 / Math.max(0.1, node.rental.boot_seconds));
  }

  note(node) {
    if (node.state === "booting") return "boots";
    if (node.state === "returning") return "goes back";
    if (node.state === "removed") return "leaves";
    if (!node.rental) return "";
    const left = (Date.parse(node.rental.next_charge) - this.now) / 1000;
    return `paid ${seconds(left)}`;
  }

  updateTile(mark, tile) {
    const ordinal = tile.id.slice(tile.id.lastIndexOf("-") + 1);
    setText(mark, ordinal);
    mark.style.setProperty("--team", this.teamColour(tile.team));
    const standby = tile.state === "standby";
    const look = tile.leaving ? "leaving" : standby ? "standby" : tile.readiness;
    const name = standby ? "tile standby" : `tile ${tile.rung} ${look}`;
    if (mark.className !== name) mark.className = name;
    const state = tile.leaving ? (tile.state === "running" ? "asked to leave" : tile.state) : tile.readiness;
    mark.title = standby ? `${tile.id}: ${tile.service}, on standby` : `${tile.id}: ${tile.service}, ${tile.rung}, ${state}`;
  }
}

const pick = ({ cpu_millis, memory_bytes }) => (cpu_millis ? { cpu_millis } : memory_bytes ? { memory_bytes } : {});
