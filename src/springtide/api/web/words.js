// Figures in words.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const count = (value) => whole.format(value);
export const orDash = (value, text = count) => (value === null || value === undefined ? "–" : text(value));
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : count(value)} ms`;
export const timeOfDay = (moment) => clock.format(new Date(moment));

export function money(micros, currency) {
  const amount = micros / 1e6;
  const digits = amount >= 100 ? 2 : amount >= 1 ? 3 : 4;
  return `${amount.toFixed(digits)} ${currency}`;
}

export function seconds(value) {
  const left = Math.max(0, value);
  if (left < 90) return `${Math.ceil(left)} s`;
  return left < 5400 ? `${Math.round(left / 60)} min` : `${Math.round(left / 3600)} h`;
}

const UNITS = { cpu_millis: (value) => `${count(value)}m cpu`, memory_bytes: (value) => `${count(value / 2 ** 20)} MiB` };

export const amount = (kind, value) => (UNITS[kind] ? UNITS[kind](value) : `${count(value)} ${kind}`);

export const amounts = (all) => Object.entries(all).map(([kind, value]) => amount(kind, value)).join(", ") || "nothing";

export const kindName = (kind) => ({ cpu_millis: "cpu", memory_bytes: "memory" })[kind] ?? kind;

export const percent = (part) => `${part > 0 && part < 0.095 ? (100 * part).toFixed(1) : count(100 * part)}%`;
