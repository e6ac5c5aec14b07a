import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { projectFile } from '../support/project.js';
import { jsonLines, type Project, useProjects } from './support.js';

/** Where a small disk is mounted, seen by what runs on it only; gone when that has ended. */
const apart = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
const onDisk = (megabytes: number): readonly string[] => [
  ...apart,
  'sh',
  '-c',
  `mkdir -p disk && mount -t tmpfs -o size=${megabytes}m none disk && cp -r kept/. disk && "$@"; code=$?; cp -r disk/. kept; exit $code`,
  'sh',
];

// Needs a kernel that lets this user mount, as Linux does for root, and mostly for others.
const possible = spawnSync('unshare', [...apart, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

const suite = (): void => {
  const project = useProjects();

  /** Runs millrace with `disk` on a disk of that size, and what `kept` has from earlier runs in it. */
  function millrace({ directory }: Project, megabytes: number, args: string) {
    const argv = [...onDisk(megabytes), process.execPath, projectFile('dist/cli/bin.js'), ...args.split(' ')];
    const { status, stdout, stderr } = spawnSync('unshare', argv, {
      cwd: directory,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
      timeout: 100_000,
      killSignal: 'SIGKILL',
    });
    return { code: status, stdout, stderr };
  }

  function fed(): Project {
    const here = project('esm-project');
    spawnSync('mkdir', [here.path('kept')]);
    const line = (n: number): string => `{"account":"a-${n}","amount":1,"pad":"${'x'.repeat(250)}"}\n`;
    here.write('many.jsonl', Array.from({ length: 40_000 }, (_, n) => line(n)).join(''));
    return here;
  }

  it('of the broker: PRODUCE_FAILED with exit code 3, and what was sent before is there', () => {
    const here = fed();

    const { code, stderr } = millrace(here, 8, 'produce payments many.jsonl --key account --broker embedded:disk/log');

    assert.match(
      stderr,
      /^PRODUCE_FAILED: the broker did not take .*disk\/log: saw .*No space left on device, expected/m,
    );
    assert.equal(code, 3);
    const there = millrace(here, 200, 'consume payments --until-end --max 1 --broker embedded:disk/log');
    assert.equal(there.code, 0, there.stderr);
    assert.equal(jsonLines(there.stdout)[0].key, 'a-0');
  });

  it('of the stores: STATE_IO with exit code 3; the next run, with room, goes on where the last commit was', async () => {
    const here = fed();
    await here.output('produce payments many.jsonl --key account');
    const run = 'run topology.ts --until-idle --cache 1MB --state disk/state';

    const { code, stderr } = millrace(here, 1, run);

    assert.match(stderr, /\nSTATE_IO: cannot write at .*disk\/state.*: saw .*No space left on device, expected/);
    assert.equal(code, 3);
    const again = millrace(here, 300, run);
    assert.equal(again.code, 0, again.stderr);
    const listed = millrace(here, 300, 'state list topology.ts --count --format json --state disk/state');
    assert.equal(jsonLines(listed.stdout)[0].rows, 40_000);
    const totals = await here.lines('consume totals --until-end');
    assert.equal(totals.length, 40_000, 'each was written once');
  });

  it('of a new project: STATE_IO with exit code 3, and nothing of the project is left', () => {
    const here = project('esm-project');
    spawnSync('mkdir', [here.path('kept')]);
    // What is left of one megabyte is enough for one file.
    here.write('kept/filler', Buffer.alloc(1_044_480));

    const { code, stderr } = millrace(here, 1, 'new disk/above/app');

    assert.match(stderr, /^STATE_IO: cannot make a project at .*disk\/above\/app: saw ENOSPC.*nothing was left\.\n$/);
    assert.equal(code, 3);
    assert.deepEqual(readdirSync(here.path('kept')), ['filler']);
  });
};

if (possible) describe('a full disk', suite);
