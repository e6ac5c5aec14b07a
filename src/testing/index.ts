/** What tests need: the driver and a clock of their own. No test runner is imported. */
export { type DeliveryFaults, TestDriver, type TestDriverOptions, type TestInput, type TestOutput, type TestStore } from './driver.js';
export { ManualClock } from './manual-clock.js';
export type { InputRecord, OutputRecord, TopicSerdes } from './topics.js';
export { seededRandom } from './random.js';
