import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Broker } from '#src/broker/port.js';
import { count, openBroker, type RunningStreams, send, serdes, start, topology } from '#src/index.js';
import { localSocketPath } from '#src/net/local-socket.js';
import { Peer } from '#src/net/peer.js';
import { systemClock } from '#src/runtime/config/system.js';
import { runningProcesses } from '#src/runtime/control/running-process.js';
import { CHECKPOINT_KEY } from '#src/state/directory/checkpoint.js';
import { failure } from '../../dsl/support.js';
import { temporaryDirectory } from '../../support/project.js';

const text = { key: serdes.string, value: serdes.string };
const counts = topology('counts', (t) => {
  t.stream('words', text).pipe(count({ store: 'totals' }));
});

describe('a running application, from another process', () => {
  let broker: Broker;
  let stateDirectory: string;
  let streams: RunningStreams | undefined;
  const directory = (): string => join(stateDirectory, 'counts');
  const running = () => runningProcesses(directory(), systemClock);

  beforeEach(async () => {
    stateDirectory = temporaryDirectory();
    broker = await openBroker(`embedded:${temporaryDirectory()}`);
    await broker.admin.createTopics([{ name: 'words', partitions: 1 }]);
  });
  afterEach(async () => {
    await streams?.stop();
    streams = undefined;
    await broker.close();
  });

  it('answers how far it is, what it runs, and stops when it is asked to', async () => {
    streams = await start(counts, { broker, stateDirectory });
    await send(broker, 'words', text, [{ key: 'a', value: 'x' }]);
    await streams.untilIdle();
    const [process_] = await running();
    assert.ok(process_);
    assert.deepEqual([process_.info.applicationId, process_.info.topology], ['counts', 'counts']);
    assert.equal((await process_.progress()).metrics.recordsIn, 1);
    assert.match(await process_.describe(), /^topology counts/);
    await process_.stop();
    await streams.done;
    await process_.close();
    assert.deepEqual(await running(), []);
    assert.deepEqual(
      readdirSync(directory()).filter((name) => name.startsWith('control')),
      [],
    );
  });

  it('has its databases read, never written to', async () => {
    streams = await start(counts, { broker, stateDirectory });
    await send(broker, 'words', text, [
      { key: 'a', value: 'x' },
      { key: 'b', value: 'x' },
    ]);
    await streams.untilIdle();
    const [process_] = await running();
    const database = process_?.database(join(directory(), 'words-0', 'db'));
    assert.ok(process_ && database);
    const [checkpoint, none] = await database.getMany([CHECKPOINT_KEY, Buffer.from('none')]);
    assert.ok(checkpoint && none === undefined);
    const all: string[] = [];
    for await (const chunk of database.scan({})) all.push(...chunk.map(([key]) => key.toString('hex')));
    const reversed: string[] = [];
    for await (const chunk of database.scan({ reverse: true }))
      reversed.push(...chunk.map(([key]) => key.toString('hex')));
    assert.ok(all.length >= 3);
    assert.deepEqual(reversed, [...all].reverse());
    for await (const chunk of database.scan({ gte: Buffer.from(all[1] as string, 'hex'), limit: 1 }))
      assert.deepEqual(
        chunk.map(([key]) => key.toString('hex')),
        [all[1]],
      );
    await assert.rejects(database.write([{ key: Buffer.from('k'), value: null }]), failure('STATE_LOCKED'));
    assert.equal(process_.database(join(directory(), 'words-7', 'db')), undefined);
    await process_.close();
  });

  it('is found beside sockets that killed processes have left, and removes them when it starts', async () => {
    streams = await start(counts, { broker, stateDirectory });
    writeFileSync(join(directory(), 'control-1-1.sock'), '');
    const all = await running();
    assert.equal(all.length, 1);
    await all[0]?.close();
    await streams.stop();
    streams = await start(counts, { broker, stateDirectory });
    await streams.untilIdle();
    assert.ok(!existsSync(join(directory(), 'control-1-1.sock')));
  });

  it('lets in this user alone; with control: false nobody', async function () {
    if (process.platform === 'win32') this.skip(); // it has no modes of files
    streams = await start(counts, { broker, stateDirectory });
    await streams.untilIdle();
    const [socket] = readdirSync(directory()).filter((name) => name.startsWith('control'));
    const path = await localSocketPath(directory(), socket as string);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await streams.stop();
    streams = await start(counts, { broker, stateDirectory, control: false });
    await streams.untilIdle();
    assert.deepEqual(await running(), []);
  });

  it('STATE_MISMATCH for a process of another version', async () => {
    streams = await start(counts, { broker, stateDirectory, control: false });
    const path = await localSocketPath(directory(), 'control-1-1.sock');
    const server = createServer(
      (socket) => new Peer(socket, () => ({ value: { protocol: 99, pid: 1, databases: [] } })),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await assert.rejects(running(), failure('STATE_MISMATCH', /protocol 99/));
    server.close();
  });
});
