import { join } from 'node:path';
import type { Admin, Broker, PartitionOffset } from '../../broker/port.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { checkName } from '../../model/names.js';
import { databaseError } from '../../state/database/database-errors.js';
import { diskIdentityFiles, type IdentityFiles } from '../../state/directory/identity-files.js';
import { textOf } from './offset-texts.js';

/**
 * Identifies a version of the application. Versions have separate internal topics and stores; the metadata of
 * the group's offsets says which one is live. Applications begin with version 0. Its prefix is their id, or
 * `<id>-apart` if other applications own topics with these names (see own-version.ts). A promotion or a
 * rollback sets another version in the group (see replay/versions/promotion.ts).
 */
export interface ApplicationVersion {
  /** It only ever rises: if two are found, the higher one is right. */
  readonly n: number;
  /** The prefix of internal topics, and the name of the directory that holds the stores. */
  readonly prefix: string;
}

export const firstVersion = (applicationId: string): ApplicationVersion => ({ n: 0, prefix: applicationId });

/**
 * The highest version that committed offsets name; offsets of topics that a newer version does not read keep
 * the older one. Undefined: they name none. A version that does not parse, or that names the stores of
 * another application, is ignored. Anyone allowed to commit offsets of the group can write it, and it decides
 * which topics and directories are created and removed.
 */
export function versionOf(
  committed: readonly PartitionOffset[],
  applicationId: string,
): ApplicationVersion | undefined {
  return highest(
    committed.map(({ metadata }) => {
      const { generation } = textOf(metadata);
      return Array.isArray(generation) ? checked(generation[0], generation[1], applicationId) : undefined;
    }),
  );
}

function checked(n: unknown, prefix: unknown, applicationId: string): ApplicationVersion | undefined {
  return Number.isSafeInteger(n) && (n as number) >= 0 && isPrefixOf(prefix, applicationId)
    ? { n: n as number, prefix }
    : undefined;
}

/**
 * Whether a version of the application, or of its shadow, can have this prefix: the application's id,
 * `<application>-apart` (see topic-owners.ts) or `<application>-shadow-<n>`. Called for everything that
 * becomes the name of a directory or a topic, or selects what is removed.
 */
export function isPrefixOf(prefix: unknown, applicationId: string): prefix is string {
  if (typeof prefix !== 'string') return false;
  const own = [applicationId, applicationId.replace(/-shadow$/, '')];
  return own.some(
    (id) => prefix === id || (prefix.startsWith(id) && /^-(shadow-\d{1,15}|apart)$/.test(prefix.slice(id.length))),
  );
}

const highest = (versions: readonly (ApplicationVersion | undefined)[]): ApplicationVersion | undefined =>
  versions.reduce((a, b) => (a && b ? (b.n > a.n ? b : a) : (a ?? b)), undefined);

/**
 * `<state>/<application>/generation.json`: the version that this machine ran last, for tools that read the
 * stores without a broker.
 */
function pathOf(stateDirectory: string, applicationId: string): string {
  checkName('application id', applicationId);
  return join(stateDirectory, applicationId, 'generation.json');
}

/**
 * The version of the stores on this machine; version 0 if it has run no other. STATE_IO if the file cannot be
 * read, STATE_CORRUPT if its content is invalid.
 */
export async function versionOnDisk(
  stateDirectory: string,
  applicationId: string,
  files: IdentityFiles = diskIdentityFiles,
): Promise<ApplicationVersion> {
  const path = pathOf(stateDirectory, applicationId);
  const text = await files.read(path).catch((error: unknown) => {
    throw databaseError('cannot read the version of the stores', path, error);
  });
  return text === null ? firstVersion(applicationId) : parse(text, path, applicationId);
}

function parse(text: string, path: string, applicationId: string): ApplicationVersion {
  try {
    const { n, prefix } = JSON.parse(text);
    const found = checked(n, prefix, applicationId);
    if (found) return found;
    throw new Error(text.slice(0, 60));
  } catch (error) {
    throw new StreamsError('STATE_CORRUPT', {
      what: 'cannot read the version of the stores',
      at: path,
      saw: messageOf(error),
      expected: `{"n":…,"prefix":"${applicationId}…"}`,
      action: 'Delete the file and start the application: the offsets of its group name the version.',
      cause: error,
    });
  }
}

/**
 * Returns the version to run. It is the highest of: the version in the configuration (a shadow sets one), the
 * version that the group names, and the version that this machine ran last. Offsets that another program has
 * set name no version; the one on this machine is then still right. An application that was never promoted
 * chooses its prefix. The result is stored for tools that read the stores of a stopped application.
 */
export async function findVersion(
  { applicationId, version }: { readonly applicationId: string; readonly version: ApplicationVersion },
  {
    broker,
    stateDirectory,
    identityFiles = diskIdentityFiles,
  }: {
    readonly broker: Pick<Broker, 'admin'>;
    readonly stateDirectory: string;
    readonly identityFiles?: IdentityFiles;
  },
  choose = async (onDisk: ApplicationVersion): Promise<ApplicationVersion> => onDisk,
): Promise<ApplicationVersion> {
  const onDisk = await versionOnDisk(stateDirectory, applicationId, identityFiles);
  const named = await namedBy(broker.admin, applicationId);
  const top = highest([version, named, onDisk]) ?? version;
  const found = top.n > 0 ? top : (named ?? (await choose(onDisk)));
  if (found.n !== onDisk.n || found.prefix !== onDisk.prefix) {
    const text = `${JSON.stringify({ format: 1, ...found })}\n`;
    await identityFiles.writeAtomically(pathOf(stateDirectory, applicationId), text);
  }
  return found;
}

/** The version that an application's group names; version 0 if it names none, or may not be read. */
export const currentVersion = async (admin: Admin, applicationId: string): Promise<ApplicationVersion> =>
  (await namedBy(admin, applicationId)) ?? firstVersion(applicationId);

/** Undefined if the group names no version, or may not be read. */
const namedBy = async (admin: Admin, applicationId: string): Promise<ApplicationVersion | undefined> =>
  versionOf(await readableOffsets(admin, applicationId), applicationId);

/** The offsets of an application's group; none if it may not be read. */
export async function readableOffsets(admin: Admin, applicationId: string): Promise<readonly PartitionOffset[]> {
  try {
    return await admin.groupOffsets(applicationId);
  } catch (error) {
    // Joining the group then reports the missing permission, together with all others.
    if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return [];
    throw error;
  }
}

/** GENERATION_CHANGED: the task's offsets belong to a version that was promoted since this process began. */
export function checkVersion(
  committed: readonly PartitionOffset[],
  { version, applicationId }: { readonly version: ApplicationVersion; readonly applicationId: string },
): void {
  const found = versionOf(committed, applicationId);
  if (found === undefined || found.n <= version.n) return;
  throw new StreamsError('GENERATION_CHANGED', {
    what: 'another version of the application has taken over since this process began',
    at: `group ${applicationId}`,
    saw: `version ${found.n}, with the stores of ${found.prefix}`,
    expected: `version ${version.n}`,
    action: 'Start the process again, with the code of that version.',
  });
}
