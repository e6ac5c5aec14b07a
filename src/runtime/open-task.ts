import { isStreamsError } from '../model/errors.js';
import { sleep } from '../model/ports.js';
import { Task } from './task.js';
import type { TaskOptions } from './task-options.js';

/**
 * A state directory may still be open in another engine of this process, which is about to give it back:
 * asked for again that often, for five seconds.
 */
const LOCKED_TRIES = 20;
const LOCKED_WAIT_MS = 250;

/** The place of a task in its engine. */
export interface TaskSlot {
  current(): Task | undefined;
  opened(task: Task): void;
}

/**
 * Opens a task and puts it in its place, from where a later assignment may take it while it is still being
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
      // Given away while it was opened: its error is nobody's.
      if (opened && place.current() !== opened) return;
      if (!isStreamsError(error) || error.code !== 'STATE_LOCKED' || tries >= LOCKED_TRIES) throw error;
      await sleep(options.ports.clock, LOCKED_WAIT_MS, options.signal);
      if (place.current() !== opened) return;
      if (options.signal.aborted) throw error;
    }
  }
}
