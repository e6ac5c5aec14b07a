import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Headers } from '#src/model/headers.js';
import { TimerTurns } from '#src/runtime/batch/timer-turns.js';
import {
  ORIGIN_HEADER,
  originAt,
  originOf,
  originToCarry,
  rootOfRecord,
  timerOrigin,
} from '#src/runtime/record/origin.js';
import { BY_RECORD, FiredPlace, Place } from '#src/runtime/record/place.js';

const rootOf = (index: number): string => `in-0@${index}`;
const record = (topic: string, headers = Headers.none) => ({ topic, partition: 3, offset: 7, headers }) as never;

/**
 * A way: where it begins, and each step's node, port, emission and delivery; between two lists lies a
 * repartition.
 */
interface Way {
  readonly index: number;
  readonly timer: number | null;
  readonly hops: readonly (readonly (readonly [node: string, port: number, emission: number, delivery: number])[])[];
}

const step = fc.tuple(
  fc.constantFrom('process a', 'process a.1', 'count a', 'process b-2'),
  fc.nat({ max: 1 }),
  fc.nat({ max: 2 }),
  fc.nat({ max: 2 }),
);
const way: fc.Arbitrary<Way> = fc.record({
  index: fc.nat({ max: 1 }),
  timer: fc.option(fc.nat({ max: 2 })),
  hops: fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
});

/** What the engine makes of it. */
function originsOf({ index, timer, hops }: Way): { readonly of: string; readonly at: string } {
  let root = rootOf(index);
  let last: Place | undefined;
  for (const [hop, steps] of hops.entries()) {
    let place: Place | undefined;
    for (const [node, port, emission, delivery] of steps) {
      const made = new Place(0, BY_RECORD, place, 0, { node, port }, emission, delivery);
      const fired = hop === 0 && place === undefined && timer !== null;
      const text = timerOrigin({
        node: 'process t',
        partition: 0,
        everyMs: 10,
        moment: 20,
        nth: timer ?? 0,
      });
      place = fired ? new FiredPlace({ text }, made) : made;
    }
    const own = root;
    last = place as Place;
    if (hop < hops.length - 1) root = originToCarry(last, () => own);
  }
  const own = root;
  return { of: originOf(last as Place, () => own), at: originAt(last as Place, () => own) };
}

describe('the origin of what follows from a record', () => {
  it('is the position of the record, and the way from there', () => {
    const first = new Place(4, BY_RECORD, undefined, 0, { node: 'count totals', port: 0 }, 0, 1);
    const second = new Place(4, BY_RECORD, first, 1, { node: 'joinStream pairs', port: 1 }, 2, 0);
    assert.equal(originOf(first, rootOf), 'in-0@4#1');
    assert.equal(originOf(second, rootOf), 'in-0@4>count totals#1>:1~2');
    assert.equal(originToCarry(second, rootOf), 'in-0@4>count totals#1>joinStream pairs:1~2|');
  });

  it('is another for any other way, at one operator; and with the operator, at all', () => {
    // A timer's own source record does not matter: it would have the same turn if another record had made it
    // due.
    const asText = ({ index, timer, hops }: Way): string => JSON.stringify([timer === null ? index : 't', timer, hops]);
    const lastNode = ({ hops }: Way): string => String(hops.at(-1)?.at(-1)?.[0]);
    fc.assert(
      fc.property(way, way, (a, b) => {
        const [left, right] = [originsOf(a), originsOf(b)];
        const same = asText(a) === asText(b);
        assert.equal(left.at === right.at, same);
        if (lastNode(a) === lastNode(b)) assert.equal(left.of === right.of, same);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is another for each of all short ways to an operator', () => {
    const bits = [0, 1] as const;
    const steps = bits.flatMap((port) =>
      bits.flatMap((emission) => bits.map((delivery) => ['process a', port, emission, delivery] as const)),
    );
    const one = steps.map((first) => [first]);
    const two = one.flatMap((before) => steps.map((next) => [...before, next]));
    const three = two.flatMap((before) => steps.map((next) => [...before, next]));
    const short = [...one, ...two];
    const hops = [
      ...[...short, ...three].map((all) => [all]),
      ...short.flatMap((before) => short.map((after) => [before, after])),
    ];
    const all = hops.flatMap((each) => [null, 0, 1].map((timer) => originsOf({ index: 0, timer, hops: each })));
    assert.equal(new Set(all.map(({ of }) => of)).size, all.length);
    assert.equal(new Set(all.map(({ at }) => at)).size, all.length);
  });

  // It makes no difference which version of the application wrote it.
  it('goes on behind a repartition; a record without the header is known by its position there', () => {
    const carried = Headers.of({ [ORIGIN_HEADER]: 'in-0@4>repartition by-x|' });
    assert.equal(rootOfRecord(record('app-v2-by-x-repartition', carried), 'by-x'), 'in-0@4>repartition by-x|');
    assert.equal(rootOfRecord(record('app-by-x-repartition'), 'by-x'), '|by-x-3@7');
    assert.equal(rootOfRecord(record('in', carried), undefined), 'in-3@7');
  });
});

describe('the turns of timers', () => {
  it('have other texts, however many timers there are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 60 }), fc.constantFrom(5, 10)), { maxLength: 30 }), (fired) => {
        const turns = new TimerTurns('process t', 0);
        const timers = new Map([5, 10].map((every) => [every, turns.timer(every)]));
        const texts = fired.map(([now, every]) => timers.get(every)?.turn(now).text);
        assert.equal(new Set(texts).size, texts.length);
      }),
    );
  });

  it('have the same text again, if another timer is due at that moment after a restart', () => {
    const before = new TimerTurns('process t', 2);
    const first = before.timer(10);
    first.cancelled();
    first.cancelled();
    const second = before.timer(10);
    assert.equal(second.turn(17).text, 'process t[2] stream/10@10');
    assert.equal(second.turn(34).text, 'process t[2] stream/10@30');
    assert.equal(new TimerTurns('process t', 2).timer(10).turn(34).text, 'process t[2] stream/10@30');
  });
});
