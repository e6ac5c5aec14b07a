/** Cases of the vectors that millrace answers otherwise, knowingly. */
export const DIFFERENCES: Readonly<Record<string, string>> = {};
