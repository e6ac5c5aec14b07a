import { StreamsError } from '../../../model/errors.js';
import { show } from '../../../model/text/show.js';
import { asStreamsError, CODE, ProtocolError, unauthorized } from '../wire/errors.js';
import type { TopicResult } from '../wire/requests-topics.js';
import { isDenied, topicError } from '../wire/rights.js';

/** Error codes that blame the request, not the broker. */
const SPEC_REFUSED: ReadonlySet<number> = new Set([
  CODE.invalidTopic,
  CODE.invalidPartitions,
  CODE.invalidReplicationFactor,
  CODE.invalidConfig,
]);

/**
 * A broker that is starting or has missed its heartbeats is fenced: there are temporarily too few brokers for
 * the replicas.
 */
const isPassing = ({ error, message }: TopicResult): boolean =>
  error === CODE.invalidReplicationFactor && /\bfenced\b/.test(message ?? '');

/** Throws the error of a creation of topics, if any of the results has one. */
export function createFailure(results: readonly TopicResult[]): void {
  const invalid = results.filter((result) => SPEC_REFUSED.has(result.error) && !isPassing(result));
  if (invalid.length > 0)
    throw refused(
      invalid.map(({ name }) => name),
      invalid.map(({ message, error }) => message ?? `code ${error}`).join('; '),
    );
  const existing = results.filter(({ error }) => error === CODE.topicAlreadyExists).map(({ name }) => name);
  if (existing.length > 0) {
    throw new StreamsError('TOPIC_EXISTS', {
      what: 'cannot create topics',
      at: existing.join(', '),
      saw: 'topics of these names',
      expected: 'none',
      action: 'Delete them first, or leave them as they are.',
    });
  }
  const denied = results.filter(({ error }) => isDenied(error));
  if (denied.length > 0) {
    const rights = denied.map(({ name, error }) => topicError('CreateTopics', error, name).right as string);
    throw unauthorized([...new Set(rights)], 'cannot create topics', denied.map(({ name }) => name).join(', '));
  }
  const failed = results.find(({ error }) => error !== CODE.none);
  if (failed)
    throw asStreamsError(new ProtocolError(failed.error, failed.message), 'cannot create a topic', failed.name);
}

/** CONFIG_INVALID: the request cannot be satisfied. */
export const refused = (names: readonly string[], saw: string, what = 'cannot create topics'): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what,
    at: names.map((name) => show(name)).join(', '),
    saw,
    expected: 'a legal name, one partition or more, and configuration that the broker knows',
    action: 'Correct it.',
  });
