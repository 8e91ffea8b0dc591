"""References: other mirrors whose files a run takes, when proven, in place of asking their origins."""
