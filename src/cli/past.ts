import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Topology } from '../dsl/processor.js';
import { formatMs } from '../model/duration.js';
import { isStreamsError } from '../model/errors.js';
import type { HistoryGap, PastOptions, SnapshotEvery } from '../replay/index.js';
import { PastSerdes } from '../replay/past-serdes.js';
import type { ErrorPolicies } from '../runtime/policy.js';
import { type BrokerOptions, openExistingBroker } from './broker-url.js';
import { checkedTopology } from './checked-topology.js';
import { codeVersion } from './code-version.js';
import { type Io, write } from './io.js';
import { formatCount, Rate } from './rate.js';
import { type RegistrySelection, registryOf } from './schema-registry.js';
import { StatusLine } from './status-line.js';
import { Stop } from './stop.js';

/** The options of every command that looks into the past. */
export interface LookBackOptions extends BrokerOptions, RegistrySelection {
  readonly app?: string | undefined;
  readonly state: string;
  readonly snapshotEvery?: SnapshotEvery | undefined;
  readonly onError?: ErrorPolicies | undefined;
  readonly cache?: number | undefined;
}

export const APP = ['--app <id>', "the application (default: the topology's name)"] as const;

export const ON_ERROR = '--on-error <step=policy>';
export const ON_ERROR_HELP = 'what becomes of a record that fails, as given to run (default: fail)';

/** What a command is given. */
export interface LookBack {
  readonly topology: Topology;
  readonly past: PastOptions;
  readonly stop: Stop;
  /** Writes lines for people, above the progress. */
  say(text: string): void;
  /** Shows how far the work is; cheap. */
  show(text: () => string): void;
}

/**
 * Loads the topology, opens the broker, shows how far the work is, and takes everything down again. A signal
 * ends the work, and the exit code says so.
 */
export async function lookBack(
  file: string,
  options: LookBackOptions,
  io: Io,
  use: (look: LookBack) => Promise<number>,
): Promise<number> {
  const stop = new Stop(io);
  const say = (text: string): void => void write(io.stderr, `${text}\n`);
  const status = new StatusLine(io, say);
  try {
    const topology = await checkedTopology(file, { cwd: io.cwd, check: false, signal: stop.signal });
    const { broker } = await openExistingBroker(options, io);
    try {
      const past = {
        ...pastOptions(file, topology, options, io),
        broker,
        signal: stop.signal,
        onProgress: progress(io, status),
      };
      const above = (text: string): void => status.above(`${text}\n`);
      return await use({ topology, past, stop, say: above, show: (text) => status.update(text) });
    } finally {
      await broker.close();
    }
  } catch (error) {
    if (stop.requested && isStreamsError(error) && error.code === 'STOPPED') return stop.exitCode;
    throw error;
  } finally {
    status.clear();
    stop.release();
  }
}

/** The serdes of a topology, as a look into its past has them. */
export const pastSerdes = (topology: Topology, { applicationId = topology.name, ...past }: PastOptions): PastSerdes =>
  new PastSerdes(applicationId, past);

function pastOptions(file: string, topology: Topology, options: LookBackOptions, io: Io): Omit<PastOptions, 'broker'> {
  const { app, onError, cache, snapshotEvery: every } = options;
  const directory = join(resolve(io.cwd, options.state), app ?? topology.name, 'snapshots');
  return {
    schemaRegistry: registryOf(options, io, file),
    ...(app !== undefined && { applicationId: app }),
    ...(onError && { onError }),
    ...(cache !== undefined && { cacheBytes: cache }),
    // Nothing is made where nothing is to be kept.
    ...((every || existsSync(directory)) && {
      snapshots: { directory, version: codeVersion(resolve(io.cwd, file)), ...(every && { every }) },
    }),
  };
}

function progress(io: Io, status: StatusLine): NonNullable<PastOptions['onProgress']> {
  let rate = new Rate(io.clock);
  let last = 0;
  return ({ records, total }) => {
    // Some questions take several runs.
    if (records < last) rate = new Rate(io.clock);
    last = records;
    status.update(() => {
      rate.sample(records);
      return `replaying: ${formatCount(records)} of ${formatCount(total)} records, ${rate.text(Math.max(0, total - records))}`;
    });
  };
}

/** Tells of what is missing at the beginning. */
export function warnOfGaps(gaps: readonly HistoryGap[], say: (text: string) => void): void {
  for (const { topic, partition, earliest, compacted } of gaps) {
    const place = `${topic}[${partition}]`;
    if (earliest > 0) say(`warning: the history of ${place} begins at offset ${earliest}; what came before is gone`);
    else if (compacted) say(`warning: ${place} is compacted: earlier values of its keys may be gone`);
  }
}

export const elapsed = (io: Io, since: number): string => formatMs(io.clock.monotonic() - since);
