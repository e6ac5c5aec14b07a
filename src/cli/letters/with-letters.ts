import type { Topology } from '../../dsl/contract/processor.js';
import { type LetterOptions, type LetterTopic, letterTopic } from '../../letters/index.js';
import { isLetterId } from '../../letters/letter-id.js';
import { isStreamsError } from '../../model/errors.js';
import { checkedTopology } from '../load/checked-topology.js';
import { openExistingBroker } from '../options/broker-url.js';
import { registryOf } from '../options/schema-registry.js';
import { type Io, write } from '../terminal/io.js';
import { StatusLine } from '../terminal/status-line.js';
import { Stop } from '../terminal/stop.js';
import { usage } from '../terminal/usage.js';
import type { LetterSource } from './letter-options.js';
import { LetterSerdes } from './letter-serdes.js';

/** What a command receives. */
export interface LettersLook {
  readonly io: Io;
  readonly which: LetterOptions;
  /** Undefined if no file was given. */
  readonly topology: Topology | undefined;
  readonly serdes: LetterSerdes;
  readonly stop: Stop;
  /** Writes lines for people, above the progress. */
  say(text: string): void;
  /** Shows progress; cheap to call. */
  show(text: () => string): void;
}

/** Looks at the dead letter topic of a command. */
export const topicOf = ({ which }: LettersLook): Promise<LetterTopic> => letterTopic(which);

/** A file and the ids behind it: an id may also stand where the file is left out. */
export function fileAndIds(
  first: string | undefined,
  more: readonly string[],
): { readonly file: string | undefined; readonly ids: readonly string[] } {
  return first !== undefined && isLetterId(first)
    ? { file: undefined, ids: [first, ...more] }
    : { file: first, ids: more };
}

/**
 * Loads the topology, if there is one, opens the broker, and releases everything at the end. A signal ends
 * the work, and determines the exit code. Errors: USAGE if neither a file nor an application is named.
 */
export async function withLetters(
  file: string | undefined,
  source: LetterSource,
  io: Io,
  use: (look: LettersLook) => Promise<number>,
): Promise<number> {
  if (file === undefined && source.app === undefined)
    throw usage('cannot tell which application', 'neither a file nor --app', 'one of them');
  const stop = new Stop(io);
  const status = new StatusLine(io, (text) => void write(io.stderr, `${text}\n`));
  try {
    const topology =
      file === undefined ? undefined : await checkedTopology(file, { cwd: io.cwd, check: false, signal: stop.signal });
    const { broker } = await openExistingBroker(source, io);
    try {
      const applicationId = source.app ?? (topology?.name as string);
      const { deadLetterTopic } = source;
      const schemaRegistry = registryOf(source, io, file);
      return await use({
        io,
        which: { broker, applicationId, deadLetterTopic, signal: stop.signal },
        topology,
        serdes: new LetterSerdes(topology, { schemaRegistry, registerSchemas: false }),
        stop,
        say: (text) => status.above(`${text}\n`),
        show: (text) => status.update(text),
      });
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
