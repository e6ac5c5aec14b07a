import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { messageOf } from '../../model/errors.js';
import { loadModule } from '../load/load-topology.js';

/** A module is loaded once, so each text needs a file of its own. */
let trials = 0;

/**
 * Runs the text of a test as a file in the directory of the final one. It must load there, and its only test
 * must fail with its assertion. Returns what happens instead; undefined if it does fail.
 */
export async function failsOtherwise(file: string, text: string): Promise<string | undefined> {
  const extension = extname(file);
  const path = join(dirname(file), `.${basename(file, extension)}.trial-${process.pid}-${++trials}${extension}`);
  await mkdir(dirname(file), { recursive: true });
  try {
    await rm(path, { force: true });
    await writeFile(path, text, { flag: 'wx' });
    await runTest(path);
    return 'a predicate that never holds in the test';
  } catch (error) {
    const isAssertion = error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION';
    return isAssertion ? undefined : messageOf(error);
  } finally {
    await rm(path, { force: true });
  }
}

/** Runs the only test of a mocha file, with the globals of mocha that it uses. */
async function runTest(path: string): Promise<void> {
  let test: () => Promise<void> = async () => undefined;
  const globals = {
    describe: (_: string, body: () => void) => body(),
    it: (_: string, body: () => Promise<void>) => {
      test = body;
    },
  };
  const others = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  Object.assign(globalThis, globals);
  try {
    await loadModule(path);
    await test();
  } finally {
    for (const [name, other] of others)
      if (other) Object.defineProperty(globalThis, name, other);
      else Reflect.deleteProperty(globalThis, name);
  }
}
