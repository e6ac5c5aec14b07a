import assert from 'node:assert/strict';
import { distrust } from '#src/broker/kafkajs/connection/connection-errors.js';
import { LoginTrust } from '#src/broker/kafkajs/login/login-trust.js';
import { ManualClock } from '#src/testing/manual-clock.js';

describe('a login', () => {
  const refusal = Object.assign(new Error('SASL PLAIN authentication failed: no'), {
    name: 'KafkaJSSASLAuthenticationError',
  });
  const isFinal = (trust: LoginTrust): boolean =>
    distrust(refusal, { login: 'PLAIN as ada', trust }, 'broker 1') !== undefined;

  it('that was never taken is refused at once', () => {
    assert.equal(isFinal(new LoginTrust(new ManualClock())), true);
  });

  it('that was taken before may be refused for five minutes, as long as credentials take to be rotated', async () => {
    const clock = new ManualClock();
    const trust = new LoginTrust(clock);
    trust.accepted();
    assert.equal(isFinal(trust), false);
    await clock.advance(299_000);
    assert.equal(isFinal(trust), false);
    trust.accepted();
    await clock.advance(299_000);
    assert.equal(isFinal(trust), false, 'they begin with the first refusal');
    await clock.advance(300_000);
    assert.equal(isFinal(trust), true);
  });
});
