// What a page looks like on the site: without the comments that tell the check what to execute.
import { relative, sep } from 'node:path';
import { headerOf } from '../../scripts/docs/markdown.mjs';
import { root } from '../../scripts/ensure-built.mjs';
import { linkOnSite } from './pages.mjs';

const COMMENT = /^<!--.*-->\s*$/s;

/** Changes how Markdown is read and rendered. */
export function asOnASite(md) {
  md.core.ruler.push('repository', ({ tokens, env }) => {
    const file = relative(root, env.realPath ?? env.path).replaceAll(sep, '/');
    for (const token of tokens) {
      if (token.type === 'html_block' && COMMENT.test(token.content)) token.content = '';
      for (const child of token.children ?? []) {
        const to = child.type === 'link_open' ? linkOnSite(file, child.attrGet('href')) : undefined;
        if (to !== undefined) child.attrSet('href', to);
      }
    }
  });
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, index, options, env, self) => {
    const token = tokens[index];
    const lines = token.content.split('\n');
    const { headerLines, file } = headerOf(lines, token.info.split(/\s+/));
    token.content = lines.slice(headerLines).join('\n');
    const name = file === undefined ? '' : `<p class="file-name">${md.utils.escapeHtml(file)}</p>\n`;
    return name + fence(tokens, index, options, env, self);
  };
}
