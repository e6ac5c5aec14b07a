import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import { type Letter, LetterSet, type RedrivenLetter, watchRedriven } from '#src/letters/index.js';
import { isError } from '../support/errors.js';
import { APP, keyOf, LEDGER, ledgerRecordOf, letterRecord, note, withLetters, write } from './support.js';

/** What a task writes about a letter. */
const word = (offset: number, what: string, fields: object = {}) =>
  ledgerRecordOf(keyOf(0, offset), JSON.stringify({ format: 1, what, actor: 'ann', reason: 'r', ...fields }));

const setOf = (...offsets: readonly number[]): LetterSet => {
  const letters = new LetterSet();
  for (const offset of offsets) letters.add({ partition: 0, offset });
  return letters;
};

const letters = (count: number): Promise<Broker> => withLetters(Array.from({ length: count }, () => letterRecord()));

async function watched(
  broker: Broker,
  set: LetterSet,
  request: (signal: AbortSignal) => Promise<unknown>,
): Promise<readonly RedrivenLetter[]> {
  const found: RedrivenLetter[] = [];
  for await (const each of watchRedriven({ broker, applicationId: APP, letters: set, request })) found.push(each);
  return found;
}

describe('what becomes of letters that are fed in again', () => {
  it('is the first word about each, after the request: what was said before, and of others, is none', async () => {
    const broker = await letters(4);
    await note(broker, word(0, 'redrive-failed', { code: 'OLD' }));
    const found = await watched(broker, setOf(0, 2), () =>
      write(broker, [
        word(0, 'redrive-request'),
        word(1, 'redrive'),
        ledgerRecordOf(keyOf(0, 0), '{'),
        word(2, 'redrive-failed', { code: 'PROCESS_FAILED', message: 'no' }),
        word(2, 'redrive'),
        word(0, 'redrive'),
      ]),
    );
    assert.deepEqual(found, [
      { id: '0@2', partition: 0, offset: 2, ok: false, code: 'PROCESS_FAILED', message: 'no' },
      { id: '0@0', partition: 0, offset: 0, ok: true },
    ]);
    await broker.close();
  });

  it('takes letters that are added meanwhile, and ends at once if there is none', async () => {
    const broker = await letters(2);
    assert.deepEqual(await watched(broker, setOf(), async () => undefined), []);
    const set = setOf();
    const found = await watched(broker, set, async () => {
      set.add({ partition: 0, offset: 1 } as Letter);
      await write(broker, [word(1, 'redrive')]);
    });
    assert.deepEqual(
      found.map(({ id, ok }) => [id, ok]),
      [['0@1', true]],
    );
    await broker.close();
  });

  it('is of the letter of today, if the topic was created again', async () => {
    const broker = await letters(1);
    const [topic] = await broker.admin.describeTopics(['payments-dead-letter']);
    const found = await watched(broker, setOf(0), () =>
      write(broker, [
        word(0, 'redrive-failed', { topicId: 'another', code: 'OLD' }),
        word(0, 'redrive', { ...(topic?.id !== undefined && { topicId: topic.id }) }),
      ]),
    );
    assert.deepEqual(
      found.map(({ ok }) => ok),
      [topic?.id !== undefined],
    );
    await broker.close();
  });

  it('throws what the request throws, and STOPPED under a signal, when the request has ended', async () => {
    const broker = await letters(1);
    const failing = watched(broker, setOf(0), () => Promise.reject(new Error('no request')));
    await assert.rejects(failing, /no request/);
    const controller = new AbortController();
    let ended = false;
    const request = async (signal: AbortSignal): Promise<void> => {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        controller.abort();
      });
      ended = true;
    };
    const watch = watchRedriven({ broker, applicationId: APP, letters: setOf(0), request, signal: controller.signal });
    await assert.rejects(watch.next(), isError('STOPPED', new RegExp(LEDGER)));
    assert.ok(ended);
    await broker.close();
  });

  it('ends the request too, if nobody looks any more', async () => {
    const broker = await letters(2);
    let aborted = false;
    const request = async (signal: AbortSignal): Promise<void> => {
      const told = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await write(broker, [word(0, 'redrive')]);
      await told;
      aborted = true;
    };
    for await (const { id } of watchRedriven({ broker, applicationId: APP, letters: setOf(0, 1), request })) {
      assert.equal(id, '0@0');
      break;
    }
    assert.ok(aborted);
    await broker.close();
  });
});
