import type { Program } from '../../terminal/program.js';
import { addDlqDiscard } from './dlq-discard.js';
import { addDlqList } from './dlq-list.js';
import { addDlqRedrive } from './dlq-redrive.js';
import { addDlqShow } from './dlq-show.js';

/** `millrace dlq …`: works on the records that an application has given up. */
export function addDlq(program: Program): void {
  const dlq = program.parent
    .command('dlq')
    .description('list, show, feed in again and settle the records that an application has given up (dead letters)');
  for (const add of [addDlqList, addDlqShow, addDlqRedrive, addDlqDiscard])
    add({ ...program, parent: dlq as unknown as Program['parent'] });
}
