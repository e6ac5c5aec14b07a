import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../model/errors.js';
import { usage } from '../terminal/usage.js';
import type { SchemaText } from './files.js';

const run = promisify(execFile);
const MAX_BYTES = 64 * 1024 * 1024;

/** The schemas of a directory in a revision. Errors: USAGE if git does not have the revision. */
export async function schemasAt(revision: string, directory: string, cwd: string): Promise<readonly SchemaText[]> {
  const git = async (...args: readonly string[]): Promise<string> => {
    try {
      return (await run('git', [...args], { cwd, maxBuffer: MAX_BYTES })).stdout;
    } catch (error) {
      const said = String((error as { readonly stderr?: string }).stderr ?? '').trim();
      throw usage(
        `cannot look at ${directory} in ${revision}`,
        said || messageOf(error),
        'a revision of the git repository that the directory is in',
      );
    }
  };
  // Before the colon is a revision, after it a path from the top of the repository; `./` makes it relative to
  // `cwd`.
  await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`);
  const listed = await git('ls-tree', '-r', '-z', '--name-only', revision, '--', directory);
  const files = listed.split('\0').filter((name) => name.endsWith('.avsc'));
  return Promise.all(
    files.map(async (path) => ({ path: `${revision}:${path}`, text: await git('show', `${revision}:./${path}`) })),
  );
}
