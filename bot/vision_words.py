"""What is said about what models make of pictures: alternative texts, and figures in words."""

from __future__ import annotations

import discord

from bot.locale import number, translate
from bot.picture_recipes import kind
from bot.recipes import Recipe
from worker.schemas.vision import VisionAnswer

LIKELY = 95  # percentile; what is likelier than nearly all is so for being plain, be it a picture of its kind or not
OUTLIER = 95  # percentile; of the pictures that a model was held to, one in twenty is called an outlier
PERHAPS = 80  # percentile; one in five is at least remarkable


def description(recipe: Recipe, locale: discord.Locale) -> str:
    """What a person reads who does not see the picture."""
    key = {
        "reconstruct": "vision.shows_reconstruction",
        "traverse": "vision.shows_traversal",
        "interpolate": "vision.shows_animation" if recipe.parameters.get("animated") else "vision.shows_strip",
        "outlier": "vision.shows_outlier",
        "translate": "vision.shows_translation",
        "compress": "vision.shows_compression",
        "decompress": "vision.shows_decompression",
        "map": "vision.shows_map",
        "density": "vision.shows_density",
    }[kind(recipe.operation)]
    return translate(locale, key, model=recipe.model)


def findings(recipe: Recipe, answer: VisionAnswer, locale: discord.Locale) -> list[str]:
    """What there is to say about an answer, a line each."""
    figures = answer.figures
    lines = []
    match kind(recipe.operation):
        case "reconstruct":
            lines.append(translate(locale, "vision.reconstruction"))
            quality = {"psnr": number(locale, figures["psnr"], ".1f"), "ssim": number(locale, figures["ssim"], ".2f")}
            lines.append(translate(locale, "vision.quality", **quality))
            if "log_likelihood" in figures:
                key = "vision.likelihood_plain" if figures["percentile"] >= LIKELY else "vision.likelihood"
                nats = number(locale, figures["log_likelihood"], ".1f")
                lines.append(translate(locale, key, nats=nats, share=_share(figures["percentile"])))
        case "outlier":
            share, score = _share(figures["percentile"]), number(locale, figures["score"], ".1f")
            lines.append(translate(locale, _verdict(figures["percentile"]), share=share, score=score))
            lines.append(translate(locale, "vision.heat"))
        case "compress":
            sizes = {name: number(locale, figures[f"{name}_bytes"], ".0f") for name in ("code", "webp", "jpeg")}
            lines.append(f"```\n{answer.code}\n```")
            lines.append(translate(locale, "vision.sizes", **sizes, psnr=number(locale, figures["psnr"], ".1f")))
            lines.append(translate(locale, "vision.compression"))
        case "translate":
            lines.append(translate(locale, "vision.photo" if answer.lines == "photo" else "vision.sketch"))
        case "interpolate" if not recipe.parameters["animated"]:
            lines.append(translate(locale, "vision.strip"))
        case "traverse":
            lines.append(translate(locale, "vision.traversal", dimensions=", ".join(map(str, answer.dimensions))))
        case "map":
            lines.append(translate(locale, "vision.map"))
            if "x" in figures:
                place = {name: f"{100 * figures[name]:.0f}" for name in ("x", "y")}
                lines.append(translate(locale, "vision.place", **place))
        case "density":
            lines.append(translate(locale, "vision.density", ratio=number(locale, figures["ratio"], ".1f")))
            if "percentile" in figures:
                lines.append(translate(locale, "vision.loneliness", share=_share(figures["percentile"])))
    if any(prepared.cropped for prepared in answer.prepared):
        lines.append(translate(locale, "vision.cropped"))
    if any(prepared.inverted for prepared in answer.prepared):
        lines.append(translate(locale, "vision.inverted"))
    return lines


def _share(percentile: float) -> str:
    """Of the held-out pictures, in whole percent; never none or all, which a few of them cannot tell."""
    return f"{min(max(percentile, 1), 99):.0f}"


def _verdict(percentile: float) -> str:
    """The key of what to call a picture."""
    if percentile >= OUTLIER:
        return "vision.outlier"
    return "vision.perhaps" if percentile >= PERHAPS else "vision.usual"
