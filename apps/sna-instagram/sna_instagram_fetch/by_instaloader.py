"""The second fetcher: instaloader, which asks another query of the site, by another library's TLS."""

from __future__ import annotations

import instaloader
import requests

from .failures import Failure, FetchFailed, classify
from .post import Item, Post, Rendition


class _Impatient(instaloader.RateController):
    """instaloader waits minutes by itself, to be polite. Here the breaker does that: a wait is a failure."""

    def sleep(self, secs: float) -> None:
        raise FetchFailed(Failure.RATE_LIMIT, f"instaloader wants to wait {secs:.0f} s")


def fetch(shortcode: str, proxy: str, seconds: float) -> Post:
    """Return the post, by way of the proxy. Raises FetchFailed."""
    context = instaloader.InstaloaderContext(
        sleep=False,
        quiet=True,
        max_connection_attempts=1,
        request_timeout=max(1.0, seconds),
        rate_controller=_Impatient,
        iphone_support=False,
    )
    # The proxy comes by the environment (child.py): instaloader copies its sessions without their proxies.
    del proxy
    try:
        post = instaloader.Post.from_shortcode(context, shortcode)
        return _post_of(post)
    except (instaloader.InstaloaderException, instaloader.AbortDownloadException, requests.RequestException) as error:
        raise FetchFailed(_class_of(error), f"instaloader: {type(error).__name__}: {error}") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        # instaloader reads the site's answer without looking (its issue 2704).
        raise FetchFailed(Failure.WITHHELD, f"instaloader: {type(error).__name__}: {error}") from error


def _class_of(error: Exception) -> Failure:
    if isinstance(error, instaloader.TooManyRequestsException):
        return Failure.RATE_LIMIT
    if isinstance(error, instaloader.LoginRequiredException):
        return Failure.LOGIN
    if isinstance(error, instaloader.PrivateProfileNotFollowedException):
        return Failure.PRIVATE
    if isinstance(error, requests.Timeout):
        return Failure.TIMEOUT
    return classify(str(error))


def _post_of(post: instaloader.Post) -> Post:
    if post.typename == "GraphSidecar":
        items = [
            _item_of(node.video_url if node.is_video else None, node.display_url) for node in post.get_sidecar_nodes()
        ]
    else:
        items = [_item_of(post.video_url if post.is_video else None, post.url)]
    found = tuple(item for item in items if item is not None)
    if not found:
        raise FetchFailed(Failure.WITHHELD, "instaloader: the post names neither a picture nor a video")
    return Post(shortcode=post.shortcode, author=post.owner_username, caption=post.caption or "", items=found)


def _item_of(video: str | None, picture: str | None) -> Item | None:
    if video:
        return Item("video", (Rendition(video),))
    return Item("image", (Rendition(picture),)) if picture else None
