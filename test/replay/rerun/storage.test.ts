// Promise: a look into the past leaves nothing on disk, however it ends; and takes nothing away from one that is under way.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { diskStorage } from '#src/replay/rerun/rerun-storage.js';
import { temporaryDirectory } from '../../support/project.js';

describe('the stores of a rerun', () => {
  let parent: string;
  let child: ChildProcess;
  let ofChild: string;

  beforeEach(async () => {
    parent = temporaryDirectory();
    child = fork(new URL('./storage.child.js', import.meta.url), [parent]);
    [ofChild] = await once(child, 'message');
  });
  afterEach(() => child.kill('SIGKILL'));

  const killed = async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  it('are left alone while their process lives, and removed by the next one when it was killed', async () => {
    const first = await diskStorage(parent);
    assert.deepEqual(readdirSync(parent).sort(), [basename(ofChild), basename(first.root)].sort());
    await killed();
    const second = await diskStorage(parent);
    assert.deepEqual(readdirSync(parent).sort(), [basename(first.root), basename(second.root)].sort());
    await first.remove();
    await second.remove();
    assert.deepEqual(readdirSync(parent), []);
  });

  it('are left alone where this machine cannot know their owner', async () => {
    await killed();
    const others = [
      'millrace-shadow-Ab3dEf',
      // Of another machine that sees the same directory.
      basename(ofChild).replace(/^(millrace-shadow-)[^-]+/, '$1ffffffff'),
      'snapshots',
    ];
    for (const name of others) mkdirSync(join(parent, name));
    const storage = await diskStorage(parent);
    await storage.remove();
    assert.deepEqual(readdirSync(parent).sort(), others.sort());
  });
});
