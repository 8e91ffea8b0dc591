"""Small pictures of assets: rasters as PNG, features and notices as SVG. Rasters need rasterio."""
