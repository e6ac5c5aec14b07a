import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { serdes, to, topology } from 'millrace';
import { planReset } from 'millrace/replay';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import { startShadow } from '#src/replay/index.js';
import { findVersion, firstVersion, isPrefixOf } from '#src/runtime/config/application-version.js';
import { systemClock } from '#src/runtime/config/system.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { temporaryDirectory } from '../support/project.js';

const json = { key: serdes.string, value: serdes.json<object>() };
const target = topology('bank', (t) => {
  t.stream('in', json).pipe(to('out', json));
});
const metadata = (n: unknown, prefix: unknown): string => JSON.stringify({ format: 1, generation: [n, prefix] });

describe('the version that offsets name', () => {
  const fed = async (group: string, text: string): Promise<MemoryBroker> => {
    const broker = new MemoryBroker({ clock: systemClock });
    await broker.admin.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1 })));
    await broker.admin.setGroupOffsets(group, [{ topic: 'in', partition: 0, offset: 0, metadata: text }]);
    return broker;
  };

  it('removes nothing but what a version of the application can have', async () => {
    for (const prefix of [
      '../../victim',
      '..',
      'otherapp',
      'bank-shadow-1/../../../victim',
      'bank-shadow-',
      '/victim',
    ]) {
      const root = temporaryDirectory();
      const victims = [join(root, 'victim', 'photos'), join(root, 'state', 'x', 'otherapp', '0-0')];
      for (const victim of victims) {
        mkdirSync(victim, { recursive: true });
        writeFileSync(join(victim, 'a.jpg'), 'precious');
      }
      const stateDirectory = join(root, 'state', 'x');
      mkdirSync(join(stateDirectory, 'bank-shadow'), { recursive: true });
      writeFileSync(join(stateDirectory, 'bank-shadow', 'removing.json'), JSON.stringify([prefix]));
      const broker = await fed('bank-shadow', metadata(5, prefix));
      const { streams } = await startShadow(target, { broker, stateDirectory, fresh: true });
      await streams.untilIdle();
      await streams.stop();
      for (const victim of victims) assert.ok(existsSync(join(victim, 'a.jpg')), `${prefix} removed ${victim}`);
    }
  });

  it('counts as absent if it is invalid, and is not kept on disk', async () => {
    const wrong = [
      metadata(1, null),
      metadata('1', 'bank-shadow-1'),
      metadata(1, 'other'),
      '{"format":1,oops',
      '{"format":1,"generation":1}',
    ];
    for (const text of wrong) {
      const files = memoryIdentityFiles();
      const broker = await fed('bank', text);
      const config = { applicationId: 'bank', version: firstVersion('bank') };
      const found = await findVersion(config, { broker, stateDirectory: 'state', identityFiles: files });
      assert.deepEqual(found, { n: 0, prefix: 'bank' }, text);
      assert.equal(await files.read(join('state', 'bank', 'generation.json')), null);
      // The tools look at it, too.
      const plan = await planReset(target, {
        broker,
        stateDirectory: temporaryDirectory(),
        to: { kind: 'earliest' },
        now: 0,
      });
      assert.equal(plan.version.prefix, 'bank');
    }
  });

  it('is known by what follows the id, whatever the id', () => {
    const id = fc.stringMatching(/^[a-z-]{1,12}$/);
    fc.assert(
      fc.property(id, fc.nat(), (applicationId, n) => {
        assert.ok(isPrefixOf(applicationId, applicationId));
        assert.ok(isPrefixOf(`${applicationId}-shadow-${n}`, applicationId));
        assert.ok(isPrefixOf(`${applicationId}-shadow-${n}`, `${applicationId}-shadow`), 'of its shadow');
        assert.ok(!isPrefixOf(`${applicationId}-shadow-${n}x`, applicationId));
        assert.ok(!isPrefixOf(`x${applicationId}`, applicationId));
      }),
    );
  });
});
