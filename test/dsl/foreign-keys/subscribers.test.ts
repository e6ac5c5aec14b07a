import assert from 'node:assert/strict';
import fc from 'fast-check';
import { answerSerde, subscriptionSerde } from '#src/dsl/foreign-keys/messages.js';
import { type SubscriberList, Subscribers, subscriberStore } from '#src/dsl/foreign-keys/subscribers.js';
import type { ChunkKey } from '#src/model/chunk.js';
import { serdes } from '#src/serdes/serdes.js';
import { databases, StoreLab } from '../../support/stores.js';

type Step =
  | { readonly do: 'put' | 'remove'; readonly from: number; readonly count: number; readonly by: number }
  | { readonly do: 'commit' }
  | { readonly do: 'reopen' };

const KEYS = 2_000;
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constantFrom('put' as const, 'put' as const, 'remove' as const),
        from: fc.nat(KEYS),
        count: fc.nat(300),
        by: fc.constantFrom(1, 7, 1_999),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  ),
  { maxLength: 25 },
);
const nameOf = (n: number): string => `k${String(n % KEYS).padStart(4, '0')}`;

for (const [name, place] of databases) {
  describe(`the subscribers of a key over ${name}`, () => {
    it('are visited in the order of their keys, however many there are, over commits and crashes', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (taken) => {
          const spec = subscriberStore('subscribers', serdes.string);
          const lab = new StoreLab<ChunkKey<unknown>, SubscriberList>(spec, place(), 0);
          let subscribers = new Subscribers(await lab.open());
          let model = new Map<string, number>();
          let committed = new Map(model);
          let at = 0;
          for (const step of taken) {
            if (step.do === 'commit') {
              await lab.commit();
              committed = new Map(model);
            } else if (step.do === 'reopen') {
              await lab.reopen();
              subscribers = new Subscribers(lab.store);
              model = new Map(committed);
            } else {
              for (let i = 0; i < step.count; i++) {
                const key = nameOf(step.from + i * step.by);
                await subscribers.prepare('fk', Buffer.from(key));
                if (step.do === 'put') {
                  subscribers.put('fk', { key: Buffer.from(key), partition: 0, at: ++at });
                  model.set(key, at);
                } else {
                  subscribers.remove('fk', Buffer.from(key), 0);
                  model.delete(key);
                }
              }
            }
            await lab.store.load({ key: 'fk', id: 0 });
            const seen: [string, number][] = [];
            await subscribers.visit('fk', ({ key, at: when }) => void seen.push([key.toString(), when]));
            assert.deepEqual(
              seen,
              [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
            );
          }
          await lab.close();
        }),
        { numRuns: name === 'memory' ? 40 : 10 },
      );
    });
  });
}

describe('the messages of a foreign-key join', () => {
  const at = fc.option(fc.nat());
  const bytes = fc.uint8Array().map((array) => Buffer.from(array));

  it('come back as they were written', () => {
    const answer = answerSerde(serdes.string);
    fc.assert(
      fc.property(
        fc.record(
          { at, foreignKey: fc.option(bytes), right: fc.option(fc.string({ unit: 'binary' })) },
          { noNullPrototype: true },
        ),
        (told) => {
          for (const quiet of told.right === null ? [false, true] : [false])
            assert.deepEqual(answer.decode(answer.encode({ ...told, quiet })), { ...told, quiet });
        },
      ),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(
        fc.record(
          {
            ask: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
            partition: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
            at,
            leftKey: bytes,
          },
          { noNullPrototype: true },
        ),
        (message) => assert.deepEqual(subscriptionSerde.decode(subscriptionSerde.encode(message)), message),
      ),
      { numRuns: 50 },
    );
  });
});
