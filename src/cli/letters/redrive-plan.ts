import type { Topology } from '../../dsl/contract/processor.js';
import type { Letter, RedriveAt } from '../../letters/index.js';
import { RedriveTargets } from '../../letters/redrive-target.js';
import { type ErrorCode, isStreamsError } from '../../model/errors.js';
import { currentVersion } from '../../runtime/config/application-version.js';
import type { GivenPatch } from './letter-patch.js';
import type { LetterColumn } from './print-letters.js';
import type { LettersLook } from './with-letters.js';

/** What one letter may have; other errors are of the whole work. */
const PROBLEMS: readonly ErrorCode[] = ['LETTER_INCOMPLETE', 'PATCH_FAILED', 'REDRIVE_TARGET_UNKNOWN'];

/** Where letters would be fed in, and which cannot be. */
export class RedrivePlan implements LetterColumn {
  readonly title = 'fed in at';
  /** Letters that cannot be fed in. */
  problems = 0;
  readonly #look: LettersLook;
  readonly #targets: RedriveTargets;
  readonly #patch: GivenPatch | undefined;
  readonly #topics = new Set<string>();

  private constructor(look: LettersLook, targets: RedriveTargets, patch: GivenPatch | undefined) {
    this.#look = look;
    this.#targets = targets;
    this.#patch = patch;
  }

  static async open(
    look: LettersLook,
    options: {
      readonly topology: Topology;
      readonly at: RedriveAt;
      readonly patch: GivenPatch | undefined;
    },
  ): Promise<RedrivePlan> {
    const { broker, applicationId } = look.which;
    const { prefix } = await currentVersion(broker.admin, applicationId);
    return new RedrivePlan(look, new RedriveTargets(options.topology, prefix, options.at), options.patch);
  }

  /** The operator that would get the letter; else the code of its problem, which is told. */
  async of(letter: Letter): Promise<string> {
    try {
      const patched = await this.#patch?.(letter);
      const { node, topic } = this.#targets.of(letter, patched?.value !== undefined);
      this.#topics.add(topic);
      return node;
    } catch (error) {
      if (!isStreamsError(error) || !PROBLEMS.includes(error.code)) throw error;
      this.problems++;
      this.#look.say(String(error));
      return error.code;
    }
  }

  /** The internal inputs of these letters that do not exist yet. */
  async missing(): Promise<readonly string[]> {
    const topics = [...this.#topics];
    const found = await this.#look.which.broker.admin.describeTopics(topics);
    return topics.filter((topic) => !found.some(({ name }) => name === topic));
  }
}
