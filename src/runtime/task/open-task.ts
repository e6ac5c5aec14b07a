import { isStreamsError } from '../../model/errors.js';
import { sleep } from '../../model/ports.js';
import { Task } from './task.js';
import type { TaskOptions } from './task-options.js';

/**
 * Another engine of this process may still have the state directory open and be about to release it: retried
 * this many times, for five seconds.
 */
const LOCKED_TRIES = 20;
const LOCKED_WAIT_MS = 250;

/** The slot of a task in its engine. */
export interface TaskSlot {
  current(): Task | undefined;
  opened(task: Task): void;
}

/**
 * Opens a task and puts it in its slot. A later assignment may remove it from there while it is still being
 * restored.
 */
export async function openTask(options: TaskOptions, place: TaskSlot): Promise<void> {
  for (let tries = 1; ; tries++) {
    let opened: Task | undefined;
    try {
      await Task.open(options, (task) => {
        opened = task;
        place.opened(task);
      });
      return;
    } catch (error) {
      // The task was reassigned while it was opening: its error has no consequence.
      if (opened && place.current() !== opened) return;
      if (!isStreamsError(error) || error.code !== 'STATE_LOCKED' || tries >= LOCKED_TRIES) throw error;
      await sleep(options.ports.clock, LOCKED_WAIT_MS, options.signal);
      if (place.current() !== opened) return;
      if (options.signal.aborted) throw error;
    }
  }
}
