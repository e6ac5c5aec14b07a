import type { Program } from '../../terminal/program.js';
import { addStateDiff } from './state-diff.js';
import { addStateDump } from './state-dump.js';
import { addStateGet } from './state-get.js';
import { addStateList } from './state-list.js';

/** `millrace state …`: shows the stores of a stopped application, or of any application at a past moment. */
export function addState(program: Program): void {
  const state = program.parent
    .command('state')
    .description('show the stores of an application as they are, or as they were at a past moment');
  for (const add of [addStateList, addStateGet, addStateDump, addStateDiff])
    add({ ...program, parent: state as unknown as Program['parent'] });
}
