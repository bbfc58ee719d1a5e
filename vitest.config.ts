import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { inlineEnums } from './test/lib/inline-enums.js';

export default defineConfig({
  plugins: [inlineEnums(fileURLToPath(new URL('./src', import.meta.url)))],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/kernel/**', 'node_modules/**'],
    testTimeout: 60_000,
    pool: 'threads',
  },
});
