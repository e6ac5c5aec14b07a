import assert from 'node:assert/strict';
import { type ErrorCode, isStreamsError } from '#src/model/errors.js';

/** For `assert.rejects`: a StreamsError of that code whose message has all of these. */
export const isError =
  (code: ErrorCode, ...messages: readonly RegExp[]) =>
  (error: unknown): true => {
    assert.ok(isStreamsError(error), String(error));
    assert.equal(error.code, code);
    for (const message of messages) assert.match(error.message, message);
    return true;
  };
