// Light or dark: as the system has it, or as somebody has chosen here.
import { setProps, setText } from './dom.js';

const KEY = 'visage.theme';
const THEMES = /** @type {const} */ (['system', 'light', 'dark']);
const LABELS = { system: 'Auto', light: 'Light', dark: 'Dark' };

/** @param {HTMLElement} button */
export function startTheme(button) {
  let theme = THEMES.find((known) => known === localStorage.getItem(KEY)) ?? 'system';
  const show = () => {
    setProps(document.documentElement, { 'data-theme': theme });
    setText(button, LABELS[theme]);
    setProps(button, { 'aria-label': `Colours: ${LABELS[theme].toLowerCase()}; press for another` });
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
    localStorage.setItem(KEY, theme);
    show();
  });
  show();
}
