import { join } from 'node:path';
import type { Admin, Broker, PartitionOffset } from '../broker/port.js';
import { isStreamsError, messageOf, StreamsError } from '../model/errors.js';
import { checkName } from '../model/names.js';
import { databaseError } from '../state/database-errors.js';
import { diskIdentityFiles, type IdentityFiles } from '../state/identity-files.js';
import { addedTo, textOf } from './offset-texts.js';

/**
 * Which of its versions an application is: each has internal topics and stores of its own, beside each other,
 * and the group says which of them is the one that counts. Applications begin with version 0, whose prefix
 * is their id, or `<id>-apart` where topics of these names are another's (see own-version.ts); a promotion
 * or a rollback gives the group another one (see replay/promotion.ts).
 */
export interface ApplicationVersion {
  /** Only ever rises: of two that somebody finds, the higher one is right. */
  readonly n: number;
  /** Before the names of internal topics, and the name of the directory that holds the stores. */
  readonly prefix: string;
}

export const firstVersion = (applicationId: string): ApplicationVersion => ({ n: 0, prefix: applicationId });

/**
 * Travels with every offset that is committed, so that group and version cannot come apart: `{ "format": 1,
 * "generation": [n, prefix], … }`; that which every application begins with is left out.
 */
export function withVersion(
  positions: readonly PartitionOffset[],
  { n, prefix }: ApplicationVersion,
  applicationId: string,
): readonly PartitionOffset[] {
  if (n === 0 && prefix === applicationId) return positions;
  return positions.map((at) => ({ ...at, metadata: addedTo(at.metadata, { generation: [n, prefix] }) }));
}

/**
 * The highest that committed offsets name: those of topics that a version does not read stay behind.
 * Undefined: they name none. What does not parse, or names the stores of somebody else, counts as none:
 * whoever may commit offsets of the group may write it, and topics and directories are made and removed by
 * it.
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
 * Whether a version of the application, or of its shadow, can have that prefix: the application's id,
 * `<application>-apart` (see topic-owners.ts) or `<application>-shadow-<n>`. Everything that becomes the name
 * of a directory or a topic, or is removed by it, is asked.
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
 * `<state>/<application>/generation.json`: what this machine has run last, for who looks without asking a
 * broker.
 */
function pathOf(stateDirectory: string, applicationId: string): string {
  checkName('application id', applicationId);
  return join(stateDirectory, applicationId, 'generation.json');
}

/**
 * That of the stores that this machine has; version 0 if it never ran another. STATE_IO if that cannot be
 * read, STATE_CORRUPT if it makes no sense.
 */
export async function versionOnDisk(
  stateDirectory: string,
  applicationId: string,
  files: IdentityFiles = diskIdentityFiles,
): Promise<ApplicationVersion> {
  const path = pathOf(stateDirectory, applicationId);
  const text = await files.read(path).catch((error: unknown) => {
    throw databaseError('cannot read which version the stores are of', path, error);
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
      what: 'cannot read which version the stores are of',
      at: path,
      saw: messageOf(error),
      expected: `{"n":…,"prefix":"${applicationId}…"}`,
      action: 'Delete the file and start the application: its group knows which version it is.',
      cause: error,
    });
  }
}

/**
 * The one to run with: what is given (to a shadow, which becomes one), what the group names, or what this
 * machine has run: the highest. Offsets that somebody else has set name none; what this machine knows is then
 * still right. One that was never promoted chooses its prefix. It is kept for who looks at the stores of a
 * stopped application.
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

/** That which the group of an application names; version 0 if it names none, or may not be looked at. */
export const currentVersion = async (admin: Admin, applicationId: string): Promise<ApplicationVersion> =>
  (await namedBy(admin, applicationId)) ?? firstVersion(applicationId);

/** Undefined if the group names none, or may not be looked at. */
export async function namedBy(admin: Admin, applicationId: string): Promise<ApplicationVersion | undefined> {
  try {
    return versionOf(await admin.groupOffsets(applicationId), applicationId);
  } catch (error) {
    // Who joins the group is told which right is missing, together with all others.
    if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return undefined;
    throw error;
  }
}

/**
 * GENERATION_CHANGED: the offsets of a task are those of a version that was promoted since this process
 * began.
 */
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
