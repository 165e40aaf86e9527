/** Scrolling that follows the newest text while one is at the bottom, and leaves a reader alone who scrolled up. */

const NEAR = 4; // pixels from the bottom that still count as being there (fractions, zoom)
const TOP = 200; // pixels from the top at which older messages are asked for

export class Scroll {
  #last = 0;
  following = true;

  /** `scroller` scrolls `content`; `onFollow(following)` hears of every change, `onTop()` of coming near the oldest. */
  constructor(scroller, content, { onFollow, onTop }) {
    this.scroller = scroller;
    this.handlers = { onFollow, onTop };
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    const observer = new ResizeObserver(() => this.following && this.toBottom());
    observer.observe(content);
    observer.observe(scroller);
  }

  get #distance() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  /** Go to the newest message and follow from there. */
  toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#last = this.scroller.scrollTop;
    this.#follow(true);
  }

  /** Change what is above the reader's place without moving what they read. */
  keepPlace(change) {
    const fromBottom = this.scroller.scrollHeight - this.scroller.scrollTop;
    change();
    this.scroller.scrollTop = this.scroller.scrollHeight - fromBottom;
    this.#last = this.scroller.scrollTop;
  }

  #onScroll() {
    const { scrollTop } = this.scroller;
    if (this.#distance <= NEAR) this.#follow(true);
    else if (scrollTop < this.#last) this.#follow(false); // only moving up lets go; growing text never does
    this.#last = scrollTop;
    if (scrollTop < TOP) this.handlers.onTop();
  }

  #follow(following) {
    if (this.following === following) return;
    this.following = following;
    this.handlers.onFollow(following);
  }
}
