import type { Topology } from '../../dsl/contract/processor.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import { outsideTopics } from '../load/declared.js';
import { checkInput } from '../records/input-file.js';
import { usage } from '../terminal/usage.js';
import type { InputFile } from './options.js';

/** Errors: USAGE if a file cannot be read. Called before any work is done. */
export function checkInputFiles(inputs: readonly InputFile[], cwd: string): void {
  for (const { file } of inputs) checkInput(file, cwd);
}

/**
 * Errors: USAGE for a topic that the topology does not read: input to a misspelt topic would have no effect.
 */
export function checkInputTopics(topology: Topology, inputs: readonly InputFile[]): void {
  const read = outsideTopics(declaredNodes(topology));
  const unread = inputs.find(({ topic }) => !read.includes(topic));
  if (!unread) return;
  const expected = `a topic that ${topology.name} reads: ${read.join(', ')}`;
  throw usage(
    'cannot use --input',
    unread.topic,
    expected,
    'Correct it. To write to other topics, use millrace produce.',
  );
}
