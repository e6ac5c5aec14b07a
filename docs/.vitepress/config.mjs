// The site of the documentation, made by `npm run docs`. Its pages are the Markdown files of the repository, as they are.
import { anchorOf } from '../../scripts/docs/links.mjs';
import { asOnASite } from './markdown.mjs';
import { pageOf, SOURCES } from './pages.mjs';
import { sidebars } from './sidebar.mjs';

export default {
  title: 'millrace',
  description: 'Kafka Streams for TypeScript: typed RxJS topologies for event-sourced services',
  lang: 'en',
  srcDir: '..',
  srcExclude: SOURCES,
  rewrites: pageOf,
  markdown: { anchor: { slugify: anchorOf }, config: asOnASite },
  // The index of the search is one file.
  vite: { build: { chunkSizeWarningLimit: 4_000 } },
  themeConfig: {
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    externalLinkIcon: true,
    nav: [
      { text: 'Guide', link: '/concepts' },
      { text: 'API', link: '/api/', activeMatch: '/api/' },
      { text: 'Examples', link: '/examples/', activeMatch: '/examples/' },
      { text: 'Changes', link: '/changelog' },
    ],
    sidebar: sidebars(),
  },
};
