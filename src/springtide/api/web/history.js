// The recent past, as columns for charts. It outlives the control plane's own memory while the page is open.

export const RUNGS = ["own", "shared", "borrowed", "cloud"];
const KEPT_SECONDS = 900;
const GAP_SECONDS = 3;

export class History {
  constructor() {
    this.samples = [];
  }

  get last() {
    return this.samples.at(-1) ?? null;
  }

  add(sample) {
    const second = Date.parse(sample.at) / 1000;
    if (this.last && second <= this.last.second) return false;
    this.samples.push({ second, ...sample });
    const oldest = second - KEPT_SECONDS;
    if (this.samples[0].second < oldest - 60) this.samples = this.samples.filter((each) => each.second >= oldest);
    return true;
  }

  // Times, instances by rung added up from own to cloud, wanted, rate, capacity; null where nothing was seen.
  columns(service, since) {
    const columns = Array.from({ length: 4 + RUNGS.length }, () => []);
    let before = null;
    for (const sample of this.samples) {
      if (sample.second < since) continue;
      if (before !== null && sample.second - before > GAP_SECONDS) pushRow(columns, before + 0.5, null);
      pushRow(columns, sample.second, sample.services[service] ?? null);
      before = sample.second;
    }
    return columns;
  }
}

function pushRow(columns, second, sample) {
  let sum = 0;
  const sums = RUNGS.map((rung) => (sample === null ? null : (sum += sample.rungs[rung] ?? 0)));
  const row = [second, ...sums, sample?.wanted ?? null, sample?.rate ?? null, sample?.capacity ?? null];
  row.forEach((value, i) => columns[i].push(value));
}
