// Promise: on Kafka, dead letters are listed, shown and discarded as on the embedded broker, while the application runs.
import assert from 'node:assert/strict';
import { mapValues, serdes, start, to, topology } from '#src/index.js';
import { discardLetters, type Letter, letterTopic, listLetters, readLedger, showLetter } from '#src/letters/index.js';
import { Headers } from '#src/model/headers.js';
import { isError } from '../support/errors.js';
import { temporaryDirectory } from '../support/project.js';
import { forget, write } from './support/applications.js';
import { describeWithKafka } from './support/suites.js';

const RECORDS = 300;
const NAME = 'letters-kafka';

const checked = topology(NAME, (t) => {
  t.stream(`${NAME}-in`, { key: serdes.string, value: serdes.string }).pipe(
    mapValues((value) => {
      if (Number(value) % 2 === 1) throw new Error(`odd: ${value}`);
      return value;
    }),
    to(`${NAME}-out`, { key: serdes.string, value: serdes.string }),
  );
});

describeWithKafka('dead letters', (kafka) => {
  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`are listed and discarded while the application runs, ${guarantee}`, async function () {
      // Nothing in it is measured, and a busy machine needs more than the minute that tests have.
      this.timeout(180_000);
      const broker = await kafka.open();
      await forget(broker, checked);
      const config = { 'retention.ms': '-1' };
      await broker.admin.createTopics(
        ['in', 'out'].map((name) => ({ name: `${NAME}-${name}`, partitions: 2, config })),
      );
      await write(
        broker,
        Array.from({ length: RECORDS }, (_, i) => ({
          ...{ topic: `${NAME}-in`, partition: i % 2, timestamp: 1_700_000_000_000 + i, headers: Headers.none },
          ...{ key: Buffer.from(`key ${i}`), value: Buffer.from(`${i}`) },
        })),
      );
      const streams = await start(checked, {
        broker,
        stateDirectory: temporaryDirectory(),
        guarantee,
        onError: { process: 'deadLetter' },
      });
      await streams.untilIdle();

      const which = { broker, applicationId: NAME };
      const letters: Letter[] = [];
      for await (const letter of listLetters(which)) letters.push(letter);
      assert.deepEqual(
        letters.map(({ value }) => Number(value)).sort((a, b) => a - b),
        Array.from({ length: RECORDS / 2 }, (_, i) => 2 * i + 1),
      );
      assert.ok(letters.every(({ origin, code }) => origin?.partition === 1 && code === 'PROCESS_FAILED'));

      const chosen = listLetters({ ...which, where: ({ value }) => Number(value) < 100 });
      const report = await discardLetters({ ...which, letters: chosen, reason: 'a test', actor: 'ada' });
      assert.deepEqual([report.discarded, report.complete], [50, true]);
      const [ledger] = await broker.admin.describeTopics([`${NAME}-ledger`]);
      assert.equal(ledger?.config?.['cleanup.policy'], 'compact');
      const again = await discardLetters({ ...which, letters, reason: 'the others' });
      assert.deepEqual([again.discarded, again.before], [100, 50]);
      const keys = new Set<string>();
      let entries = 0;
      for await (const { key } of readLedger(which)) {
        keys.add(key);
        entries++;
      }
      assert.deepEqual([keys.size, entries], [150, 150]);
      const [first] = letters;
      const shown = await showLetter({ ...which, id: first?.id ?? '' });
      assert.equal(shown.letter.state.name, 'discarded');
      assert.equal(shown.entries[0]?.actor, 'ada');
      // Under exactly_once the last offsets are markers of transactions, and no letters.
      const { partitions } = await letterTopic(which);
      const id = `${first?.partition}@${partitions[first?.partition ?? 0]?.latest}`;
      await assert.rejects(showLetter({ ...which, id }), isError('LETTER_UNKNOWN'));
      for await (const { id } of listLetters(which)) assert.fail(`${id} is open`);
      await streams.stop();
      await forget(broker, checked);
    });
  }

  it('do not write to a topic of somebody else that has the name of the ledger', async () => {
    const broker = await kafka.open();
    const name = `${NAME}-foreign`;
    const mine = [`${name}-ledger`, `${name}-dead-letter`];
    await broker.admin.createTopics(mine.map((topic) => ({ name: topic, partitions: 1 })));
    const which = { broker, applicationId: name };
    await write(broker, [
      {
        topic: `${name}-dead-letter`,
        partition: 0,
        timestamp: Date.now(),
        key: null,
        value: null,
        headers: Headers.none,
      },
    ]);
    const discarded = discardLetters({ ...which, letters: [{ partition: 0, offset: 0 }], reason: 'r' });
    await assert.rejects(discarded, isError('TOPIC_FOREIGN', /settings that name no owner/));
    await broker.admin.deleteTopics(mine);
  });
});
