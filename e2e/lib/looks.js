// What every page must have, whatever is on it: no accessibility violation, no sideways scroll, and a picture to look at.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import axe from 'axe-core';

import { PHONE, WIDE } from './browser.js';
import { artefacts } from './settings.js';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];
const WIDTHS = [320, 390, 768, 1440];
const SIZES = { wide: WIDE, phone: PHONE };
const THEMES = ['light', 'dark'];

/** Looks at a page at both sizes and themes: accessibility, picture; and at all widths: no sideways scroll. */
export async function inspect(page, name, { sizes = Object.keys(SIZES), shown = 'main' } = {}) {
  const before = page.viewportSize();
  await page.locator(shown).first().waitFor();
  for (const size of sizes) {
    await page.setViewportSize(SIZES[size]);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await settled(page);
      await accessible(page, `${name}, ${size}, ${colorScheme}`);
      await picture(page, `${name}-${size}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: before.height });
    await noSidewaysScroll(page, `${name} at ${width} px`);
  }
  await page.setViewportSize(before);
}

/** Waits until pictures have come, and what a new size or theme has set in motion has come to rest. */
async function settled(page) {
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    await frame();
    const isInSight = (image) => {
      const { top, bottom } = image.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    };
    await Promise.all([...document.images].filter(isInSight).map((image) => image.decode()));
    const passing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(passing.map((animation) => animation.finished));
  });
}

/** No violation of WCAG 2.0 to 2.2, A and AA. */
export async function accessible(page, name) {
  // Through the debugger, because the page's policy lets no script in.
  await page.evaluate(`window.axe || (() => { ${axe.source} })()`);
  const violations = await page.evaluate(async (values) => {
    const { violations } = await window.axe.run(document, {
      runOnly: { type: 'tag', values },
      resultTypes: ['violations'],
    });
    return violations.map(({ id, help, nodes }) => ({
      id,
      help,
      where: nodes.slice(0, 4).map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`),
    }));
  }, RULES);
  assert.deepEqual(violations, [], `${name} is accessible`);
}

/** Nothing is wider than the window. */
export async function noSidewaysScroll(page, name) {
  const wide = await page.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    const root = document.scrollingElement;
    if (root.scrollWidth <= limit) return [];
    const over = [...document.querySelectorAll('body *')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.right > limit + 1;
    });
    return [`${root.scrollWidth} px`, ...over.slice(0, 5).map((element) => element.outerHTML.slice(0, 160))];
  });
  assert.deepEqual(wide, [], `${name} does not scroll sideways`);
}

/** A picture among the artefacts. */
export async function picture(page, name) {
  const folder = join(artefacts, 'pictures');
  await mkdir(folder, { recursive: true });
  await settled(page);
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' });
}
