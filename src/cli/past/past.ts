import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import { formatMs } from '../../model/duration.js';
import { isStreamsError } from '../../model/errors.js';
import type { HistoryGap, PastOptions, SnapshotEvery } from '../../replay/index.js';
import { PastSerdes } from '../../replay/rerun/past-serdes.js';
import type { ErrorPolicies } from '../../runtime/config/policy.js';
import { checkedTopology } from '../load/checked-topology.js';
import { codeVersion } from '../load/code-version.js';
import { topologyFile } from '../load/topology-file.js';
import { type BrokerOptions, openExistingBroker } from '../options/broker-url.js';
import { type RegistrySelection, registryOf } from '../options/schema-registry.js';
import { type Io, write } from '../terminal/io.js';
import { formatCount, Rate } from '../terminal/rate.js';
import { StatusLine } from '../terminal/status-line.js';
import { Stop } from '../terminal/stop.js';

/** The options of every command that looks into the past. */
export interface LookBackOptions extends BrokerOptions, RegistrySelection {
  readonly app?: string | undefined;
  readonly state: string;
  readonly snapshotEvery?: SnapshotEvery | undefined;
  readonly onError?: ErrorPolicies | undefined;
  /** The same if it comes from the environment or the configuration. */
  readonly defaultOnError?: ErrorPolicies | undefined;
  readonly effects?: 'pending' | undefined;
  readonly cache?: number | undefined;
}

export const APP = ['--app <id>', "the application (default: the topology's name)"] as const;

export const ON_ERROR = '--on-error <step=policy>';
export const ON_ERROR_HELP = 'what to do with a record that fails (default: as the application did, else fail)';

/** The context that a command receives. */
export interface LookBack {
  readonly topology: Topology;
  readonly past: PastOptions;
  readonly stop: Stop;
  /** Writes lines for people, above the progress. */
  say(text: string): void;
  /** Shows progress; cheap to call. */
  show(text: () => string): void;
}

/**
 * Loads the topology, opens the broker, shows progress, and releases everything at the end. A signal ends the
 * work, and determines the exit code.
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

/** The serdes of a topology during a look into its past. */
export const pastSerdes = (topology: Topology, { applicationId = topology.name, ...past }: PastOptions): PastSerdes =>
  new PastSerdes(applicationId, past);

function pastOptions(file: string, topology: Topology, options: LookBackOptions, io: Io): Omit<PastOptions, 'broker'> {
  const { app, onError, defaultOnError, effects, cache, snapshotEvery: every } = options;
  const directory = join(resolve(io.cwd, options.state), app ?? topology.name, 'snapshots');
  return {
    schemaRegistry: registryOf(options, io, file),
    ...(app !== undefined && { applicationId: app }),
    // Only what the command line says is meant for this look back.
    ...(defaultOnError ? { defaultOnError } : onError && { onError }),
    ...(effects && { effects }),
    ...(cache !== undefined && { cacheBytes: cache }),
    // Creates no directory when there are no snapshots to keep.
    ...((every || existsSync(directory)) && {
      snapshots: { directory, version: codeVersion(topologyFile(file, io.cwd).path), ...(every && { every }) },
    }),
  };
}

function progress(io: Io, status: StatusLine): NonNullable<PastOptions['onProgress']> {
  let rate = new Rate(io.clock);
  let last = 0;
  return ({ records, total }) => {
    // Some commands need several runs.
    if (records < last) rate = new Rate(io.clock);
    last = records;
    status.update(() => {
      rate.sample(records);
      return `replaying: ${formatCount(records)} of ${formatCount(total)} records, ${rate.text(Math.max(0, total - records))}`;
    });
  };
}

/** Warns of missing history. */
export function warnOfGaps(gaps: readonly HistoryGap[], say: (text: string) => void): void {
  for (const { topic, partition, earliest, compacted } of gaps) {
    const place = `${topic}[${partition}]`;
    if (earliest > 0) say(`warning: the history of ${place} begins at offset ${earliest}; earlier records are gone`);
    else if (compacted) say(`warning: ${place} is compacted: earlier values of its keys may be gone`);
  }
}

export const elapsed = (io: Io, since: number): string => formatMs(io.clock.monotonic() - since);
