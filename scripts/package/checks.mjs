/** Named checks that are counted: a check passes unless it throws, and the others go on. `end` says how many did, as the last line. */
export function checks() {
  let passed = 0;
  let failed = 0;
  return {
    /** What `run` returned, undefined if it failed. */
    async check(name, run) {
      try {
        const result = await run();
        passed++;
        console.log(`✓ ${name}`);
        return result ?? true;
      } catch (error) {
        failed++;
        console.log(`✗ ${name}\n    ${error.message.trim().replaceAll('\n', '\n    ')}`);
        return undefined;
      }
    },
    end() {
      console.log(`${passed} passed, ${failed} failed`);
      process.exitCode = failed > 0 ? 1 : 0;
    },
  };
}
