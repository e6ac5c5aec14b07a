/**
 * A process that uses a shared broker until it is killed: it writes numbers to a partition of its own, one after the
 * other, and is a member of a group. It says what is acknowledged, and what it is assigned.
 */
import type { StreamsError } from '#src/model/errors.js';
import { join, numbered } from '../contract.support.js';
import { openShared } from './support.js';

export interface Said {
  readonly owner?: boolean;
  readonly acknowledged?: number;
  readonly assigned?: string;
}

const [directory = '', partition = '0'] = process.argv.slice(2);
const say = (said: Said): void => void process.send?.(said);
const broker = await openShared(directory);
say({ owner: broker.isOwner });
void beMember();
const writer = await broker.createWriter();
for (let next = 0; ; ) {
  try {
    await writer.write(numbered('numbers', 1, next, { partition: Number(partition) }));
    await writer.flush();
    say({ acknowledged: next++ });
  } catch (error) {
    // Nobody knows whether it was written: it is written again.
    if ((error as StreamsError).code !== 'BROKER_UNAVAILABLE') throw error;
  }
}

async function beMember(): Promise<void> {
  for (;;) {
    await new Promise<void>((resolve) => {
      const onAssigned = async (assignment: Buffer): Promise<void> => say({ assigned: String(assignment) });
      join(broker, 'group', ['numbers'], { onAssigned, onLost: () => resolve() }).catch(() => resolve());
    });
  }
}
