// Named checks of a script, and its last line: `N passed, N failed`.
let passed = 0;
let failed = 0;

/** One named check: passes unless it throws. Returns what it returned, undefined if it failed. */
export async function check(name, run) {
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
}

/** Writes the last line, and sets the exit code. */
export function concludeChecks() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
