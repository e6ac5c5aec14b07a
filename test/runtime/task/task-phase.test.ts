import assert from 'node:assert/strict';
import { Phase, type TaskPhase } from '#src/runtime/task/task-phase.js';

const PHASES: readonly TaskPhase[] = ['restoring', 'running', 'closed'];
const ARROWS = ['restoring running', 'restoring closed', 'running closed'];

function phaseAt(now: TaskPhase): Phase {
  const phase = new Phase();
  if (now !== 'restoring') phase.enter(now, 'a-0');
  return phase;
}

describe('the phase of a task', () => {
  for (const from of PHASES)
    for (const to of PHASES) {
      const isArrow = ARROWS.includes(`${from} ${to}`);
      it(`${isArrow ? 'goes' : 'does not go'} from ${from} to ${to}`, () => {
        const phase = phaseAt(from);
        if (isArrow) {
          phase.enter(to, 'a-0');
          assert.equal(phase.now, to);
        } else {
          assert.throws(() => phase.enter(to, 'a-0'), { code: 'STOPPED', message: /task a-0/ });
          assert.equal(phase.now, from);
        }
      });
    }
});
