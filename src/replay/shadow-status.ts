import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Admin, Broker, PartitionOffset } from '../broker/port.js';
import type { Topology } from '../dsl/processor.js';
import { changelogTopic, repartitionTopic } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { isName } from '../model/names.js';
import type { Clock } from '../model/ports.js';
import {
  type ApplicationVersion,
  currentVersion,
  isPrefixOf,
  versionOf,
  versionOnDisk,
} from '../runtime/application-version.js';
import { addedTo, isFields, textOf } from '../runtime/offset-texts.js';
import { isForeign, ownerOf } from '../runtime/topic-owners.js';
import { diskIdentityFiles } from '../state/identity-files.js';
import { deleteTopics } from './reset.js';
import { checkStopped } from './reset-plan.js';

/** What was done with a version that was live: said by each of the offsets that are kept for it. */
export interface Retirement {
  /** Of the promotion or rollback that took it out. */
  readonly id: string;
  readonly kind: 'promote' | 'rollback';
}

/** The group of the version that runs beside the live one, or waits there for a rollback. */
export const shadowOf = (applicationId: string): string => `${applicationId}-shadow`;
/** Where the positions of the live version are while versions change places. */
export const keptOf = (applicationId: string): string => `${applicationId}-promotion`;

export const retired = (at: PartitionOffset, version: ApplicationVersion, retirement: Retirement): PartitionOffset => ({
  ...at,
  metadata: addedTo(at.metadata, { generation: [version.n, version.prefix], retired: retirement }),
});

/** The offset as it was before it was kept. */
export const reinstated = (at: PartitionOffset): PartitionOffset => ({
  ...at,
  metadata: addedTo(at.metadata, { generation: undefined, retired: undefined }),
});

/** Ids are the application's with a few words and a time; they name files. */
const LONGEST_ID = 250;

const retirementOf = (positions: readonly PartitionOffset[]): Retirement | undefined =>
  positions.map(({ metadata }) => textOf(metadata).retired).find(isRetirement);

const isRetirement = (retired: unknown): retired is Retirement =>
  isFields(retired) && isName(retired.id, LONGEST_ID) && (retired.kind === 'promote' || retired.kind === 'rollback');

/**
 * The promotion or rollback that was interrupted after versions had changed places: what is left is to keep
 * the one that was live.
 */
export async function unfinishedPromotion(
  admin: Admin,
  applicationId: string,
  live: ApplicationVersion,
): Promise<{ readonly retirement: Retirement; readonly kept: readonly PartitionOffset[] } | undefined> {
  const kept = await admin.groupOffsets(keptOf(applicationId));
  const [retirement, version] = [retirementOf(kept), versionOf(kept, applicationId)];
  return retirement && version && version.n < live.n ? { retirement, kept } : undefined;
}

/** The place beside a live application: what is there now, and what it can become. */
export interface ShadowStatus {
  readonly applicationId: string;
  readonly live: ApplicationVersion;
  readonly positions: readonly PartitionOffset[];
  /** Of the shadow that is there; undefined: none has committed anything. */
  readonly version: ApplicationVersion | undefined;
  /** It was live before. */
  readonly retirement: Retirement | undefined;
  /** Of a shadow that begins. */
  readonly next: ApplicationVersion;
}

/** PROMOTION_UNFINISHED: who is in it is not certain before the promotion is through. */
export async function shadowStatus(admin: Admin, applicationId: string): Promise<ShadowStatus> {
  const live = await currentVersion(admin, applicationId);
  const unfinished = await unfinishedPromotion(admin, applicationId, live);
  if (unfinished) throw promotionUnfinished(applicationId, unfinished.retirement);
  const positions = await admin.groupOffsets(shadowOf(applicationId));
  const n = live.n + 1;
  return {
    applicationId,
    live,
    positions,
    version: versionOf(positions, applicationId),
    retirement: retirementOf(positions),
    next: { n, prefix: `${shadowOf(applicationId)}-${n}` },
  };
}

export const promotionUnfinished = (applicationId: string, { id, kind }: Retirement): StreamsError =>
  new StreamsError('PROMOTION_UNFINISHED', {
    what: `the ${kind === 'promote' ? 'promotion' : 'rollback'} ${id} was interrupted`,
    at: `application ${applicationId}`,
    action: `Run \`millrace ${kind}\` once more: it goes on where it was.`,
  });

export const internalTopicNames = ({ graph }: Topology, prefix: string): readonly string[] => [
  ...graph.nodes.flatMap((node) => (node.kind === 'repartition' ? [repartitionTopic(prefix, node.name)] : [])),
  ...graph.stores.map(({ name }) => changelogTopic(prefix, name)),
];

/**
 * Removes the shadow that is in the place, or the version that waits for a rollback: its group, internal
 * topics, those that it has written to, and its state on this machine. Interrupted, it is finished by doing
 * it once more: which stores it had is in `<state>/<application>-shadow/removing.json` until they are gone.
 */
export async function removeShadow(
  place: ShadowStatus,
  context: {
    readonly broker: Broker;
    readonly clock: Clock;
    readonly stateDirectory: string;
    readonly outputs: readonly string[];
    /** What stands behind the prefix in the names of internal topics. */
    readonly internal: readonly string[];
  },
): Promise<void> {
  const { broker, stateDirectory, outputs, internal } = context;
  const { applicationId, live, version, next } = place;
  const shadow = shadowOf(applicationId);
  await checkStopped(broker, shadow);
  const directory = join(stateDirectory, shadow);
  const path = removingPath(stateDirectory, applicationId);
  const begun = prefixesIn(await diskIdentityFiles.read(path), applicationId);
  const onDisk = await versionOnDisk(stateDirectory, shadow);
  const prefixes = new Set([...begun, next.prefix, onDisk.prefix, ...(version ? [version.prefix] : [])]);
  // What was a shadow once may be the live one by now; and the name of the group is nobody's prefix.
  for (const other of [live.prefix, shadow]) prefixes.delete(other);
  await diskIdentityFiles.writeAtomically(path, `${JSON.stringify([...prefixes])}\n`);
  await broker.admin.deleteGroup(shadow);
  const own = await ownTopics(broker.admin, applicationId, { prefixes, internal });
  await deleteTopics(context, [...new Set([...own, ...outputs])]);
  for (const prefix of prefixes) await removeStores(join(stateDirectory, prefix));
  await removeAll(directory);
}

/** Of a removal that has begun: what is no prefix of a version names nothing of ours. */
function prefixesIn(text: string | null, applicationId: string): readonly string[] {
  try {
    const prefixes: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(prefixes) ? prefixes.filter((prefix) => isPrefixOf(prefix, applicationId)) : [];
  } catch {
    return [];
  }
}

/**
 * Internal topics of versions with these prefixes; those that another application has made under such a name
 * are not.
 */
async function ownTopics(
  admin: Admin,
  applicationId: string,
  { prefixes, internal }: { readonly prefixes: ReadonlySet<string>; readonly internal: readonly string[] },
): Promise<readonly string[]> {
  const found = [...prefixes].map(async (prefix) => {
    const topics = await admin.describeTopics(internal.map((name) => prefix + name));
    return topics.filter((topic) => !isForeign(topic, ownerOf(applicationId, { prefix })));
  });
  return (await Promise.all(found)).flat().map(({ name }) => name);
}

const removingPath = (stateDirectory: string, applicationId: string): string =>
  join(stateDirectory, shadowOf(applicationId), 'removing.json');

/** Whether there is a half of a shadow, which nobody can go on with. */
export const removalBegun = async (stateDirectory: string, applicationId: string): Promise<boolean> =>
  (await diskIdentityFiles.read(removingPath(stateDirectory, applicationId))) !== null;

/** Snapshots of the past are of the application, whichever version it is. */
const OF_ALL_VERSIONS = new Set(['snapshots', 'generation.json']);

async function removeStores(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) if (!OF_ALL_VERSIONS.has(name)) await removeAll(join(directory, name));
}

const removeAll = (path: string): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
