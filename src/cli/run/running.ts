import { join, resolve } from 'node:path';
import { StreamsError } from '../../model/errors.js';
import { checkName } from '../../model/names.js';
import { type RunningProcess, runningProcesses } from '../../runtime/control/running-process.js';
import { checkedTopology } from '../load/checked-topology.js';
import type { Io } from '../terminal/io.js';

/** The options of commands that ask running processes. */
export interface RunningSelection {
  readonly app?: string | undefined;
  readonly state: string;
}

/**
 * Passes the processes of this machine that run an application to a function. Errors: STATE_MISMATCH if there
 * is none.
 */
export async function withRunning(
  file: string,
  { app, state }: RunningSelection,
  io: Io,
  use: (processes: readonly RunningProcess[]) => Promise<number>,
): Promise<number> {
  // The file only names the application.
  const application = app ?? (await checkedTopology(file, { cwd: io.cwd, check: false })).name;
  checkName('application id', application);
  const directory = join(resolve(io.cwd, state), application);
  const processes = await runningProcesses(directory, io.clock);
  if (processes.length === 0) throw notRunning(application, directory);
  try {
    return await use(processes);
  } finally {
    for (const process of processes) await process.close();
  }
}

const notRunning = (application: string, directory: string): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: 'there is no running process of the application on this machine',
    at: `application ${application}`,
    saw: `no process that answers in ${directory}`,
    action: 'Correct --state or --app, or start the application: millrace run.',
  });
