import { serdes } from 'millrace';

/** A record of the input, as text. */
export interface Event {
  readonly key: string;
  readonly value: string;
  readonly timestamp: number;
}

/** What must come out for a key, next. */
export interface Answer {
  readonly key: string;
  readonly value: string;
}

const BASE = 1_700_000_000_000;
const PAD = 'x'.repeat(72);
const keyOf = (number: number): string => `k${String(number).padStart(7, '0')}`;
const spread = (at: number, keys: number): number => (at * 7_919) % keys;

interface Fields {
  readonly id: string;
  readonly k: string;
  readonly v: number;
  readonly ver: number;
}

const jsonOf = ({ id, k, v, ver }: Fields): string =>
  `{"id":"${id}","k":"${k}","v":${v},"ver":${ver},"ts":${BASE},"pad":"${PAD}"}`;

const plain = (at: number, keys = 100_000): Event => {
  const key = keyOf(spread(at, keys));
  const id = `e${String(at).padStart(9, '0')}`;
  return { key, value: jsonOf({ id, k: key, v: (at * 31) % 1_000_000, ver: 0 }), timestamp: BASE + at };
};

/** How eight versions that follow each other arrive. With 500,000 records, each of 12,500 keys has forty. */
const DISORDER = [3, 0, 1, 2, 7, 4, 6, 5] as const;

const disordered = (at: number, keys = 12_500): Event => {
  const key = keyOf(at % keys);
  const place = Math.floor(at / keys);
  const ver = place - (place % 8) + (DISORDER[place % 8] as number) + 1;
  return { key, value: jsonOf({ id: `${key}-${ver}`, k: key, v: 0, ver }), timestamp: BASE + at };
};

/** Of five records the last is the second one again. */
const repeated = (at: number): Event => ({ ...plain(at % 5 === 4 ? at - 3 : at), timestamp: BASE + at });

export const tableRow = (number: number): Event => ({
  key: keyOf(number),
  value: `{"name":"n${number}","pad":"${PAD}"}`,
  timestamp: BASE - 60_000,
});

/** What a case reads, and what must come of it. */
export interface Data {
  readonly event: (at: number) => Event;
  /** In an order that is right for each key. */
  readonly answers: (events: Iterable<Event>) => Iterable<Answer>;
}

function* counted(events: Iterable<Event>, before: number): Generator<Answer> {
  const totals = new Map<string, number>();
  for (const { key } of events) {
    const total = (totals.get(key) ?? before) + 1;
    totals.set(key, total);
    yield { key, value: String(total) };
  }
}

export const DATA = {
  stateless: {
    event: plain,
    *answers(events) {
      for (const { key, value } of events) {
        const { id, v, pad } = JSON.parse(value) as Fields & { readonly pad: string };
        if (v % 2 === 0) yield { key, value: JSON.stringify({ id, w: 2 * v, pad }) };
      }
    },
  },
  count: { event: plain, answers: (events) => counted(events, 0) },
  dedupe: {
    event: repeated,
    *answers(events) {
      const seen = new Set<string>();
      for (const { key, value } of events) {
        if (!seen.has(value)) yield { key, value };
        seen.add(value);
      }
    },
  },
  reorder: {
    event: disordered,
    *answers(events) {
      const versions = [...events].map((event) => ({ ...event, ver: (JSON.parse(event.value) as Fields).ver }));
      for (const { key, value } of versions.sort((a, b) => a.ver - b.ver)) yield { key, value };
    },
  },
  join: {
    event: plain,
    *answers(events) {
      for (const { key, value } of events)
        yield { key, value: `{"s":${value},"t":${tableRow(Number(key.slice(1))).value}}` };
    },
  },
  restore: { event: (at) => plain(at), answers: (events) => counted(events, RESTORED_COUNT) },
} as const satisfies Readonly<Record<string, Data>>;

/** What each key has been counted to in the changelog that is restored. */
const RESTORED_COUNT = 7;

/** A row of the count store's changelog, as Kafka Streams writes it: no headers, the count as an 8-byte integer. */
export const changelogRow = (number: number) => ({
  key: keyOf(number),
  value: serdes.int64.encode(RESTORED_COUNT),
  timestamp: BASE,
});
