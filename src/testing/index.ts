/** What tests need: the driver and a clock of their own. No test runner is imported. */

export { disorder } from '../model/disorder.js';
export { seededRandom } from '../model/random.js';
export type { InputRecord, TopicSerdes } from '../runtime/send.js';
export type { StoreView } from '../runtime/store-view.js';
export { type DeliveryFaults, TestDriver, type TestDriverOptions, type TestInput, type TestOutput } from './driver.js';
export { ManualClock } from './manual-clock.js';
export type { OutputRecord } from './topics.js';
